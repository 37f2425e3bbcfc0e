import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import type Database from 'better-sqlite3'
import { identifyRemote } from '../../../../src/levels/ltx-identity.js'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import type { ReplicaOptions, ReplicaWriteOptions } from '../../../../src/replica/options.js'
import { decodeBuffer, encodeUploadRecord } from '../../../../src/replica/worker/write/buffer-format.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import { cleanUp } from '../../../support/clean-up.js'
import { startProxyProcess } from '../../../support/proxy-process.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { until } from '../../../support/until.js'
import { codeOf, emptyReplicaUrl, openForWriting, restoredDatabase } from '../../../support/written-replica.js'

const reasonOf = (db: Database.Database) => db.prepare('SELECT litestream_error()').pluck().get() as string
const rowsOf = (db: Database.Database) =>
  db.prepare('SELECT group_concat(x) FROM (SELECT x FROM t ORDER BY x)').pluck().get()

/** A replica with an empty table `t (x)`, and the path of a buffer for it. */
async function makeTable(t: TestContext): Promise<{ readonly url: string; readonly buffer: string }> {
  const { directory, url } = emptyReplicaUrl(t)
  const replica = await openReplica(url, { write: { lease: false } })
  const db = (await openForWriting(t, url)).db
  db.exec('CREATE TABLE t (x)')
  await replica.close()
  return { url, buffer: path.join(directory, 'app.buffer') }
}

const local = (buffer: string | undefined, options: ReplicaWriteOptions = {}): ReplicaOptions => ({
  write: {
    durability: 'local',
    lease: false,
    syncInterval: '1h',
    ...(buffer ? { bufferPath: buffer } : {}),
    ...options,
  },
})

test('local commits are visible immediately, reach the store as one file, and leave no buffer file', async (t) => {
  const { url, buffer } = await makeTable(t)
  const { replica, db } = await openForWriting(t, url, local(buffer))
  for (let i = 0; i < 50; i++) {
    db.exec(`INSERT INTO t VALUES (${i})`)
    assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), i + 1)
  }
  db.exec('BEGIN; INSERT INTO t VALUES (99); ROLLBACK')
  assert.equal((await replica.workerStats()).writes!.pending, 50)
  const before = await restoredDatabase(t, url)
  assert.equal(rowsOf(before), null)
  await replica.flush()
  assert.equal(replica.txid, 2)
  const { uploads, pending } = (await replica.workerStats()).writes!
  assert.deepEqual({ uploads, pending }, { uploads: 1, pending: 0 })
  const expected = Array.from({ length: 50 }, (_, i) => i).join()
  for (const one of [db, await restoredDatabase(t, url)])
    assert.deepEqual(rowsOf(one)!.toString().split(',').sort(), expected.split(',').sort())
  db.exec('DELETE FROM t WHERE x > 0; VACUUM')
  db.close()
  await replica.close()
  assert.ok(!existsSync(buffer))
  assert.equal(rowsOf(await restoredDatabase(t, url)), '0')
})

test('when the sync interval has passed, local commits are uploaded without a call of the application', async (t) => {
  const { url, buffer } = await makeTable(t)
  const { replica, db } = await openForWriting(t, url, local(buffer, { syncInterval: '20ms' }))
  db.exec('INSERT INTO t VALUES (1)')
  await until('the upload', async () => (await replica.workerStats()).writes!.pending === 0)
  assert.equal(rowsOf(await restoredDatabase(t, url)), '1')
})

test('with PRAGMA synchronous = FULL, a commit waits until the store has this commit and all earlier local commits', async (t) => {
  const { url, buffer } = await makeTable(t)
  const { replica, db } = await openForWriting(t, url, local(buffer))
  db.exec('INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)')
  db.pragma('synchronous = full')
  db.exec('INSERT INTO t VALUES (3)')
  assert.equal(replica.txid, 3)
  assert.equal(rowsOf(await restoredDatabase(t, url, 2)), '1,2')
  assert.equal(rowsOf(await restoredDatabase(t, url, 3)), '1,2,3')
  db.pragma('synchronous = normal')
  db.exec('INSERT INTO t VALUES (4)')
  assert.equal((await replica.workerStats()).writes!.pending, 1)
  assert.equal(db.pragma('litestream_sync', { simple: true }), '0000000000000004')
  assert.equal(rowsOf(await restoredDatabase(t, url)), '1,2,3,4')
})

/**
 * Commits rows in a process of its own until it is killed; resolves with the rows that were
 * acknowledged.
 */
async function killedWriter(url: string, options: ReplicaOptions, rows: number): Promise<number[]> {
  const source = `
    import Database from 'better-sqlite3'
    const { openReplica } = await import(${JSON.stringify(new URL('../../../../src/index.js', import.meta.url).href)})
    const replica = await openReplica(process.argv[1], JSON.parse(process.argv[2]))
    const db = new Database(replica.uri)
    for (let i = 0; ; i++) {
      db.exec('INSERT INTO t VALUES (' + i + ')')
      process.stdout.write(i + '\\n')
      if (i === ${rows} - 1) setInterval(() => {}, 1000)
      if (i === ${rows} - 1) break
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source, url, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const acknowledged: number[] = []
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged.push(Number(line))
    if (acknowledged.length === rows) child.kill('SIGKILL')
  }
  return acknowledged
}

test('after a process is killed, the next process that opens the buffer has every acknowledged commit, and uploads these commits', async (t) => {
  const { url, buffer } = await makeTable(t)
  const acknowledged = await killedWriter(url, local(buffer), 20)
  assert.equal(rowsOf(await restoredDatabase(t, url)), null)
  // The process died in the middle of a commit.
  appendFileSync(buffer, readFileSync(buffer).subarray(-100))
  const { replica, db } = await openForWriting(t, url, local(buffer))
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), acknowledged.length)
  db.exec('INSERT INTO t VALUES (100)')
  await replica.flush()
  const restored = await restoredDatabase(t, url)
  assert.deepEqual(restored.prepare('SELECT x FROM t ORDER BY x').pluck().all(), [...acknowledged, 100])
})

test('if a process is killed after an upload but before its buffer records the upload, no commit is applied twice', async (t) => {
  const { url, buffer } = await makeTable(t)
  await killedWriter(url, local(buffer), 3)
  const commits = readFileSync(buffer)
  const { replica } = await openForWriting(t, url, local(buffer))
  await replica.flush()
  await replica.close()
  // The buffer as it is between the two: the commits, and the upload that was announced.
  const client = await openReplicaClient(url)
  const uploaded = await identifyRemote(client, { level: 0, minTxid: 2, maxTxid: 2 })
  await client.close()
  const { timestamp, checksum, size } = uploaded
  writeFileSync(buffer, Buffer.concat([commits, encodeUploadRecord({ txid: 2, count: 3, timestamp, checksum, size })]))
  const again = await openForWriting(t, url, local(buffer))
  assert.equal((await again.replica.workerStats()).writes!.pending, 0)
  again.db.exec('INSERT INTO t VALUES (100)')
  await again.replica.flush()
  assert.equal(rowsOf(await restoredDatabase(t, url)), '0,1,2,100')
})

test('if a buffer does not continue the replica, the error names the buffer, and the buffer stays unchanged', async (t) => {
  const { url, buffer } = await makeTable(t)
  await killedWriter(url, local(buffer), 3)
  const { db } = await openForWriting(t, url)
  db.exec('INSERT INTO t VALUES (500)')
  const content = readFileSync(buffer)
  await assert.rejects(openReplica(url, local(buffer)), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.code, 'WRITE_CONFLICT')
    assert.ok(error.message.includes(buffer))
    return true
  })
  const other = await makeTable(t)
  await assert.rejects(openReplica(other.url, local(buffer)), { code: 'WRITE_CONFLICT', message: /belongs to file:/ })
  assert.deepEqual(readFileSync(buffer), content)
})

test('the error for a damaged buffer states the offset of the damage', async (t) => {
  const { url, buffer } = await makeTable(t)
  await killedWriter(url, local(buffer), 3)
  const content = readFileSync(buffer)
  for (const at of [0, 5, 20, 120]) {
    const damaged = Buffer.from(content)
    damaged[at]! ^= 0x40
    writeFileSync(buffer, damaged)
    await assert.rejects(openReplica(url, local(buffer)), { code: 'BUFFER_DAMAGED', file: buffer })
  }
  writeFileSync(buffer, 'this is another file')
  await assert.rejects(openReplica(url, local(buffer)), { code: 'BUFFER_DAMAGED' })
})

test('a buffer that is truncated at any byte gives all commits that end before this byte', async (t) => {
  const { url, buffer } = await makeTable(t)
  await killedWriter(url, local(buffer), 5)
  const content = readFileSync(buffer)
  const counts = new Set<number>()
  for (let length = content.length; length > 200; length -= 150) {
    const { commits } = decodeBuffer(content.subarray(0, length), buffer)!
    counts.add(commits.length)
    for (const [i, bytes] of commits.entries()) assert.deepEqual(bytes, decodeBuffer(content, buffer)!.commits[i])
  }
  assert.ok(counts.has(5) && counts.has(1))
})

test('only one process at a time can have a buffer open', async (t) => {
  const { url, buffer } = await makeTable(t)
  await openForWriting(t, url, local(buffer))
  await assert.rejects(openReplica(url, { ...local(buffer), cacheSize: '3MiB' }), {
    code: 'WRITE_CONFLICT',
    message: /another writer uses/,
  })
})

test('if another writer commits during local commits, the local commits stay readable and buffered, and further local writes are refused', async (t) => {
  const { url, buffer } = await makeTable(t)
  const { replica, db } = await openForWriting(t, url, local(buffer))
  db.exec('INSERT INTO t VALUES (1)')
  const other = await openForWriting(t, url)
  const conflicts: Error[] = []
  replica.on('conflict', (error) => conflicts.push(error))
  other.db.exec('INSERT INTO t VALUES (2)')
  await assert.rejects(replica.flush(), { code: 'WRITE_CONFLICT' })
  await until('the event', () => conflicts.length > 0)
  assert.ok(conflicts[0]!.message.includes(buffer))
  assert.equal(rowsOf(db), '1')
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (3)')),
    'SQLITE_READONLY',
  )
  assert.match(reasonOf(db), /^WRITE_CONFLICT/)
  assert.equal(rowsOf(await restoredDatabase(t, url)), '2')
  assert.ok(existsSync(buffer))
})

test('while the store is unavailable, local commits continue, and are uploaded when the store is available again', async (t) => {
  const bucket = await s3Bucket({ after: (step: unknown) => cleanUp(t, step as () => unknown) } as TestContext)
  const proxy = await startProxyProcess(s3Server().endpoint)
  cleanUp(t, () => proxy.close())
  const direct = s3Url(bucket)
  const setup = await openForWriting(t, direct)
  setup.db.exec('CREATE TABLE t (x)')
  const { replica, db } = await openForWriting(
    t,
    s3Url(bucket, 'app.db', proxy.url),
    local(undefined, { syncInterval: '50ms' }),
  )
  replica.on('error', () => {})
  await proxy.down()
  for (let i = 0; i < 30; i++) db.exec(`INSERT INTO t VALUES (${i})`)
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), 30)
  await proxy.up()
  await replica.flush()
  const restored = await restoredDatabase(t, direct)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 30)
})
