import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LitestreamError } from '../../../../src/errors.js'
import { openReplica, type Replica } from '../../../../src/replica/handle/open-replica.js'
import { runScript } from '../../../support/child.js'
import { contentHashes } from '../../../support/content.js'
import {
  changeLiteral,
  connect,
  damageFrame,
  integrity,
  makeSource,
  openTestReplica,
  type Source,
  value,
} from '../../../support/replica.js'
import { smallFileSystem } from '../../../support/small-file-system.js'
import { until } from '../../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

function firstError(replica: Replica): Promise<LitestreamError> {
  let first: LitestreamError | undefined
  replica.once('error', (error) => {
    first = error
  })
  return until('an error is told', () => first)
}

/** The expected local copy: the pages of the state, with the primary's header. */
function assertCopy(source: Source, copy: string): void {
  const bytes = source.history.bytes
  assert.ok(readFileSync(copy).subarray(0, bytes.length).equals(bytes), 'the local copy differs from the primary')
}

test('a local copy is filled while connections read, and then serves every page', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const copy = path.join(directory, 'new', 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 3000)
  await replica.whenHydrated()
  assert.equal(db.pragma('litestream_hydration_progress', { simple: true }), '100.0')
  assert.equal(db.pragma('litestream_hydration_file', { simple: true }), copy)
  assertCopy(source, copy)
  const before = replica.stats().crossings
  assert.equal(integrity(connect(t, replica.uri)), 'ok')
  assert.equal(replica.stats().crossings, before)
  assert.equal(statSync(copy).mode & 0o777, 0o600)
})

test('while the local copy is filled and updated, transactions keep their view, and commits during the filling are not lost', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy, cacheSize: 64 * 4096 })
  const reader = connect(t, replica.uri)
  reader.pragma('cache_size=10')
  await replica.whenHydrated()
  for (let n = 1; n <= 5; n++) {
    reader.exec('BEGIN')
    assert.equal(value(reader, 'SELECT sum(n) FROM t'), (n - 1) * 3000)
    await history.commit(`UPDATE t SET n = ${n}`)
    await until('the TXID is seen', async () => (await replica.refresh()) === history.txid)
    assert.equal(value(reader, 'SELECT sum(n) FROM t'), (n - 1) * 3000)
    assert.equal(value(reader, 'SELECT count(v) FROM t'), 3000)
    reader.exec('COMMIT')
    await until('the copy is complete', () => replica.stats().hydration === 1)
  }
  assert.equal(value(reader, 'SELECT sum(n) FROM t'), 15_000)
  assert.equal(integrity(reader), 'ok')
  assertCopy(source, copy)
})

/** A replica with the rows of SEED, and the complete local copy that a closed reader left. */
async function completeCopy(t: TestContext) {
  const source = await makeSource(t)
  await source.history.commit(SEED)
  const copy = path.join(source.directory, 'copy.db')
  const reader = await openTestReplica(t, source.url, { hydrate: copy })
  await reader.whenHydrated()
  await reader.close()
  return { source, copy }
}

test('a resumed local copy fetches only the pages that have changed', async (t) => {
  const { source, copy } = await completeCopy(t)
  const { url, history } = source
  await history.commit('UPDATE t SET n = 1 WHERE id = 7')
  await history.commit("INSERT INTO t (n, v) VALUES (5, 'x')")
  const second = await openTestReplica(t, url, { hydrate: copy })
  await second.whenHydrated()
  const { fetch } = await second.workerStats()
  assert.equal(value(connect(t, second.uri), 'SELECT sum(n) FROM t'), 6)
  assertCopy(source, copy)
  assert.ok(fetch.bytes < 100_000, `${fetch.bytes} bytes were fetched`)
})

test('a local copy of another replica, or one with a broken meta file, is filled from the beginning', async (t) => {
  const { source, copy } = await completeCopy(t)
  const { url } = source
  await until('the copy is given up', () => existsSync(`${copy}.meta`))
  const other = await makeSource(t)
  await other.history.commit(`${SEED} UPDATE t SET n = 9`)
  const second = await openTestReplica(t, other.url, { hydrate: copy })
  await second.whenHydrated()
  const db = connect(t, second.uri)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 27_000)
  assertCopy(other, copy)
  db.close()
  await second.close()
  writeFileSync(`${copy}.meta`, '{"version":1,')
  const third = await openTestReplica(t, url, { hydrate: copy })
  await third.whenHydrated()
  assertCopy(source, copy)
})

test('if a local copy is removed and its meta file remains, the local copy is filled from the beginning', async (t) => {
  const { source, copy } = await completeCopy(t)
  const { url } = source
  await until('the meta file stands', () => existsSync(`${copy}.meta`))
  rmSync(copy)
  const second = await openTestReplica(t, url, { hydrate: copy })
  assert.equal(integrity(connect(t, second.uri)), 'ok')
  await second.whenHydrated()
  assertCopy(source, copy)
})

test('if two replicas or two processes use one path for the local copy, the second replica or process is refused', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await assert.rejects(openTestReplica(t, url, { hydrate: copy, cacheSize: '1MiB' }), {
    code: 'HYDRATION_CONFLICT',
    file: copy,
    hint: /hydration_path/,
  })
  const script = `const { openReplica } = await import(src + '/index.js')
    await openReplica(process.env.URL, { hydrate: process.env.COPY }).catch((error) => console.log(error.code))`
  const child = runScript(t, script, { URL: url, COPY: copy })
  assert.deepEqual([await child.ended, child.output()], [0, 'HYDRATION_CONFLICT\n'])
  // The same replica opened twice in one process is one replica.
  const again = await openTestReplica(t, url, { hydrate: copy })
  await Promise.all([replica.whenHydrated(), again.whenHydrated()])
  await replica.close()
  await again.close()
  const next = await openTestReplica(t, url, { hydrate: copy, cacheSize: '1MiB' })
  await next.whenHydrated()
})

test('if a process is killed at any moment of hydration, the next run completes the local copy correctly', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const script = `const { openReplica } = await import(src + '/index.js')
    const replica = await openReplica(process.env.URL, { hydrate: process.env.COPY, pollInterval: 5 })
    console.log('open')
    replica.on('advance', () => console.log('advance'))
    process.stdin.resume()`
  for (let round = 0; round < 4; round++) {
    const child = runScript(t, script, { URL: url, COPY: copy })
    await until('it is open', () => child.output().includes('open'))
    for (let i = 0; i < round; i++) await history.commit(`UPDATE t SET n = n + 1 WHERE id % 7 = ${i}`)
    child.process.kill('SIGKILL')
    assert.equal(await child.ended, 'SIGKILL')
    await history.commit('UPDATE t SET n = n + 1 WHERE id < 50')
  }
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await replica.whenHydrated()
  assertCopy(source, copy)
  assert.deepEqual(contentHashes(replica.uri), contentHashes(path.join(directory, 'primary.db')))
})

test('after a reset or a change of the page size, the local copy has the new database’s pages', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory, client } = source
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const db = connect(t, replica.uri)
  const reader = connect(t, replica.uri)
  await replica.whenHydrated()
  reader.exec('BEGIN')
  assert.equal(value(reader, 'SELECT sum(n) FROM t'), 0)
  await history.commit('PRAGMA page_size=8192; UPDATE t SET n = 1; VACUUM')
  await until('the new page size is seen', async () => (await replica.refresh()) === 2)
  await until('the copy is complete', () => replica.stats().hydration === 1)
  assert.equal(value(reader, 'SELECT sum(n) FROM t'), 0)
  assertCopy(source, copy)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 3000)
  await client.delete([
    { level: 0, minTxid: 1, maxTxid: 1 },
    { level: 0, minTxid: 2, maxTxid: 2 },
  ])
  await history.restart('UPDATE t SET n = 2')
  await until('the reset is seen', async () => (await replica.refresh()) === 1)
  await until('the copy is complete', () => replica.stats().hydration === 1)
  assertCopy(source, copy)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 6000)
  // Every page of it is in the copy that its view was opened with.
  assert.equal(value(reader, 'SELECT sum(n) FROM t'), 0)
  assert.equal(value(reader, 'SELECT count(v) FROM t'), 3000)
})

test('if retention removes files while a local copy is filled, the filling reads the files that replaced the removed files', async (t) => {
  const { url, history, directory, client } = await makeSource(t)
  await history.commit(SEED)
  await history.snapshot()
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const errors: string[] = []
  replica.on('error', (error) => errors.push(error.code))
  await history.commit('UPDATE t SET n = 1')
  await history.snapshot()
  await client.delete([{ level: 9, minTxid: 1, maxTxid: 1 }])
  await replica.whenHydrated()
  await until('the copy is complete', async () => (await replica.refresh()) === 2 && replica.stats().hydration === 1)
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 3000)
})

test('if a file was deleted before the filling of a local copy began, the worker searches for the file only once', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory, client } = source
  await history.commit(SEED)
  await history.snapshot()
  const disk = path.join(directory, 'disk')
  const small = smallFileSystem(t, disk, '256k')
  assert.ok(small, 'a disk of our own needs root, as the servers of the tests do')
  const copy = path.join(disk, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  assert.equal((await firstError(replica)).code, 'DISK_FULL')
  await history.commit('UPDATE t SET n = 1')
  await history.snapshot()
  await client.delete([{ level: 9, minTxid: 1, maxTxid: 1 }])
  assert.equal(await replica.refresh(), 2)
  const errors: string[] = []
  replica.on('error', (error) => errors.push(error.code))
  small.grow('16m')
  await replica.whenHydrated()
  assertCopy(source, copy)
  assert.deepEqual(
    errors.filter((code) => code !== 'DISK_FULL'),
    [],
  )
})

test('if a page is damaged in the store, the page is reported and the local copy stays incomplete', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await damageFrame(source, await history.commit(SEED), 100)
  const replica = await openTestReplica(t, url, { hydrate: path.join(directory, 'copy.db') })
  const error = await firstError(replica)
  assert.equal(error.code, 'LTX_CORRUPT')
  assert.match(error.message, /page 100/)
  assert.ok(replica.stats().hydration < 1)
})

test('if a local copy cannot be opened, the error names the local copy and the failed operation', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const folder = path.join(directory, 'folder')
  mkdirSync(folder)
  await assert.rejects(openReplica(url, { hydrate: folder }), {
    code: 'OUTPUT_EXISTS',
    message: new RegExp(`${folder} is a directory`),
  })
  const file = path.join(directory, 'file')
  writeFileSync(file, '')
  await assert.rejects(openReplica(url, { hydrate: path.join(file, 'copy.db') }), {
    code: 'STORAGE_FAILED',
    message: new RegExp(`preparing ${file}/copy.db failed: ENOTDIR`),
  })
})

test('a full disk is reported, reads continue from the store, and the filling of the local copy continues when space is free', async (t) => {
  const source = await makeSource(t)
  const { history, directory } = source
  await history.commit(SEED)
  const disk = path.join(directory, 'disk')
  const small = smallFileSystem(t, disk, '256k')
  assert.ok(small, 'a disk of our own needs root, as the servers of the tests do')
  await fillSmallDisk(t, source, path.join(disk, 'copy.db'), () => small.grow('16m'))
})

async function fillSmallDisk(t: TestContext, source: Source, copy: string, makeRoom: () => void): Promise<void> {
  const { url } = source
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const error = await firstError(replica)
  assert.equal(error.code, 'DISK_FULL')
  assert.ok(error.message.startsWith(`writing ${copy} failed: ENOSPC`), error.message)
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 3000)
  assert.ok(replica.stats().hydration < 1)
  makeRoom()
  await replica.whenHydrated()
  assertCopy(source, copy)
  db.close()
  await replica.close()
}

test('the file checksum detects damage that ranged reads cannot detect, and the pages are read from another file', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const snapshot = await history.snapshot()
  // A literal of the LZ4 payload: it still decodes to a page.
  await changeLiteral(source, snapshot, 'PRIMARY KEY')
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await replica.whenHydrated()
  assertCopy(source, copy)
})

test('close() of a replica does not wait for byte ranges that the worker never requested', {
  timeout: 60_000,
}, async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  // Many files with some pages each: more ranges than are fetched at once.
  for (let i = 0; i < 20; i++)
    await history.commit(`UPDATE t SET n = 1 WHERE id BETWEEN ${i * 150} AND ${i * 150 + 20}`)
  for (let i = 0; i < 5; i++) {
    const replica = await openTestReplica(t, url, { hydrate: path.join(directory, `copy-${i}.db`) })
    await replica.close()
  }
})

test('once the local copy is complete, `hydrated` resolves for every caller', { timeout: 60_000 }, async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  const options = { hydrate: path.join(directory, 'copy.db') }
  const first = await openTestReplica(t, url, options)
  await first.whenHydrated()
  await history.commit('UPDATE t SET n = 1')
  const second = await openTestReplica(t, url, options)
  await second.whenHydrated()
  await first.whenHydrated()
})
