import assert from 'node:assert/strict'
import { existsSync, readdirSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { emptyReplicaUrl, openForWriting, restoredDatabase } from '../../support/written-replica.js'
import { run } from '../run.js'

/**
 * A replica that a process without a lease has written through the VFS: `t (x)` with a row for each
 * TXID from 2 on.
 */
async function makeL0Replica(t: TestContext, rows: number) {
  const { files, url } = emptyReplicaUrl(t)
  const { replica, db } = await openForWriting(t, url)
  db.exec('CREATE TABLE t (x)')
  for (let i = 0; i < rows; i++) db.exec(`INSERT INTO t VALUES (${i})`)
  return { files, url, replica, db }
}

async function leaseOf(url: string): Promise<unknown> {
  const client = await openReplicaClient(url)
  try {
    return await client.getObject('lock.json')
  } finally {
    await client.close()
  }
}

const levelOf = (files: string, level: number) => readdirSync(path.join(files, 'ltx', String(level))).length

test('compact writes every level and a snapshot in one run, keeps the L0 files and releases the lease', async (t) => {
  const { files, url, db, replica } = await makeL0Replica(t, 200)
  const first = await run(['compact', '-json', url])
  assert.equal(first.status, 0, first.stderr)
  const { written, deleted } = JSON.parse(first.stdout)
  const levels = new Set(written.map(({ level }: { readonly level: number }) => level))
  assert.deepEqual([[...levels].sort(), deleted], [[1, 2, 3, 9], []])
  assert.equal(levelOf(files, 0), 201)
  assert.equal(await leaseOf(url), undefined)
  const text = await run(['compact', url])
  assert.deepEqual([text.status, text.stderr], [0, ''])
  assert.match(text.stdout, /: wrote \d+ files, deleted 0 files\n$/)
  // The writer that stayed open continues.
  db.exec('INSERT INTO t VALUES (1000)')
  assert.equal(replica.txid, 202)
  for (const txid of [2, 100, 202]) {
    const restored = await restoredDatabase(t, url, txid)
    assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), txid - 1)
  }
})

test('compact deletes an L0 file only if -l0-retention is set and level 1 contains the changes of the file', async (t) => {
  const { files, url } = await makeL0Replica(t, 20)
  await run(['compact', url])
  const { status, stdout, stderr } = await run(['compact', '-l0-retention', '1ms', url])
  assert.equal(status, 0, stderr)
  assert.match(stdout, /deleted \d+ files\n$/)
  assert.ok(levelOf(files, 0) >= 1 && levelOf(files, 0) < 21)
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 20)
})

test('compact refuses a replica whose lease another process holds, and a replica without files', async (t) => {
  const { files, url } = emptyReplicaUrl(t)
  const { db } = await openForWriting(t, url, { write: true })
  db.exec('CREATE TABLE t (x)')
  const held = await run(['compact', url])
  assert.equal(held.status, 1)
  assert.match(held.stderr, new RegExp(`^Error: .*:${process.pid}:.* has the lease until .*\nTry: `))
  assert.deepEqual(readdirSync(path.join(files, 'ltx')), ['0'])
  const missing = path.join(temporaryDirectory(t), 'none')
  const none = await run(['compact', pathToFileURL(missing).href])
  assert.equal(none.status, 1)
  assert.match(none.stderr, /^Error: .*\nTry: /)
  assert.ok(!existsSync(missing))
})

test('if a file of the replica is damaged, compact names the file, releases the lease and ends with status 1', async (t) => {
  const { files, url } = await makeL0Replica(t, 5)
  truncateSync(path.join(files, 'ltx/0/0000000000000003-0000000000000003.ltx'), 120)
  const { status, stderr } = await run(['compact', url])
  assert.equal(status, 1)
  assert.match(stderr, /^Error: .*0000000000000003-0000000000000003\.ltx: .*120 bytes/)
  assert.equal(await leaseOf(url), undefined)
})
