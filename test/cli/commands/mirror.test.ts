import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { damageFrame, makeSource } from '../../support/replica.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

test('after the primary’s machine is lost, the database can be restored from a mirror and replicated to this mirror', async (t) => {
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (x)')
  await source.history.commit('INSERT INTO t VALUES (1)')
  const folder = temporaryDirectory(t)
  const copy = pathToFileURL(path.join(folder, 'mirror')).href
  const once = await run(['mirror', source.url, copy])
  assert.equal(once.status, 0, once.stderr)
  assert.match(once.stdout, /mirror: TXID 0000000000000002, copied 2 files \(.*\), deleted 0\n$/)
  const json = await run(['mirror', '-json', source.url, copy])
  const { txid, source_txid, copied, deleted, damaged, bytes } = JSON.parse(json.stdout)
  assert.deepEqual(
    [txid, source_txid, copied, deleted, damaged, bytes],
    [once.stdout.match(/TXID (\w+)/)![1], txid, [], [], [], 0],
  )
  rmSync(source.files, { recursive: true })
  const lost = await run(['mirror', source.url, copy])
  assert.equal(lost.status, 1)
  assert.match(
    lost.stderr,
    /no backup files found, nothing is mirrored or deleted\nTry: .*restore the database from the mirror/,
  )
  const db = path.join(folder, 'app.db')
  assert.equal((await run(['restore', '-o', db, copy])).status, 0)
  const replicated = await run(['replicate', '-once', db, copy])
  assert.equal(replicated.status, 0, replicated.stderr)
  assert.equal((await run(['verify', copy])).status, 0)
})

test('if a file of the source is damaged, mirror names the file and ends with status 1', async (t) => {
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (x)')
  const file = await source.history.commit('INSERT INTO t VALUES (1)')
  await source.history.snapshot()
  await damageFrame(source, file, 1)
  const copy = pathToFileURL(path.join(temporaryDirectory(t), 'mirror')).href
  const { status, stdout, stderr } = await run(['mirror', '-limit', '100MB', source.url, copy])
  assert.equal(status, 1)
  assert.match(stderr, /^Warning: .* level 0 0000000000000002-0000000000000002.ltx/)
  assert.match(stdout, /TXID 0000000000000002, copied 2 files/)
})

test('if a flag is wrong, mirror prints the usage of the mirror command', async () => {
  const size = await run(['mirror', '-limit', '0', 'file:///a', 'file:///b'])
  assert.equal(size.status, 1)
  assert.match(size.stderr, /Write a size greater than 0, such as 512KiB/)
  const same = await run(['mirror', 'file:///nonexistent/a', 'file:///nonexistent/a'])
  assert.match(same.stderr, /source and destination are the same replica/)
})
