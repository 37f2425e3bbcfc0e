// Faults of the official VFS on a replica that ours reads correctly; test/replica/worker/pages/views.test.ts
// tests ours for them. If a later release fixes a fault, its test here fails and must be removed.
import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleanUp } from '../support/clean-up.js'
import { compactRange } from '../support/compact.js'
import { askOfficialVfs, OfficialConnection } from '../support/official-vfs.js'
import { connect, makeSource, openTestReplica, type Source, value } from '../support/replica.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

/** Both VFSs on one replica. */
async function both(t: TestContext, source: Source) {
  const official = new OfficialConnection(source.url, path.join(source.directory, 'official.log'))
  cleanUp(t, () => official.close())
  const replica = await openTestReplica(t, source.url)
  return { official, ours: connect(t, replica.uri) }
}

test('when an older compacted file appears, the official VFS returns to an older TXID', async (t) => {
  const source = await makeSource(t)
  const { history } = source
  await history.commit(SEED)
  await compactRange(source, 1, 1, 1)
  for (let n = 1; n <= 4; n++) await history.commit(`UPDATE t SET n = ${n} WHERE id = 1`)
  const { official, ours } = await both(t, source)
  const sql = 'SELECT n FROM t WHERE id = 1'
  assert.equal(await official.ask(sql), '4')
  await compactRange(source, 1, 2, 3)
  await until('the official VFS has gone back', async () => (await official.ask(sql)) === '2')
  assert.equal(value(ours, sql), 4)
})

test('after a compacted file spans the TXID at which the official VFS was opened, the official VFS reads no newer TXIDs', async (t) => {
  const source = await makeSource(t)
  const { history, client, directory } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1 WHERE id = 1')
  const { official, ours } = await both(t, source)
  await official.reaches(2)
  for (let n = 3; n <= 6; n++) await history.commit(`UPDATE t SET n = ${n} WHERE id = 1`)
  await compactRange(source, 1, 1, 4)
  await compactRange(source, 1, 5, 6)
  await client.delete([1, 2, 3, 4, 5, 6].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await history.commit('UPDATE t SET n = 7 WHERE id = 1')
  const sql = 'SELECT n FROM t WHERE id = 1'
  await until('ours has followed', () => value(ours, sql) === 7)
  // Every poll ends like this; the reported lag grows, the result is old, and no statement fails.
  await official.logs('non-contiguous', 3)
  assert.notEqual(await official.ask(sql), '7')
  // A new connection sees all commits.
  assert.equal(await askOfficialVfs(source.url, sql, path.join(directory, 'second.log')), '7')
})

test('when an LTX file shrinks the database, the official VFS loses every page that is not in this file', async (t) => {
  const source = await makeSource(t)
  const { history } = source
  await history.commit(SEED)
  await history.commit('DELETE FROM t WHERE id > 1000')
  const { official, ours } = await both(t, source)
  assert.equal(await official.ask('PRAGMA litestream_txid'), '0000000000000002')
  await history.commit('PRAGMA incremental_vacuum(20)')
  const sql = 'SELECT count(v) FROM t'
  await until('it has followed', async () => (await official.ask('PRAGMA litestream_txid')) === '0000000000000003')
  // It still finds pages that are in its cache.
  assert.match(await official.ask(sql), /error/i)
  await until('ours has followed', () => value(ours, 'SELECT litestream_txid()') === '0000000000000003')
  assert.equal(value(ours, sql), 1000)
})

test('the official VFS uses the largest page number as the database size', async (t) => {
  const source = await makeSource(t)
  const { history, url, directory } = source
  await history.commit(SEED)
  await history.commit('DELETE FROM t WHERE id > 1000')
  await history.commit('PRAGMA incremental_vacuum')
  const pages = history.db.pragma('page_count', { simple: true })
  const log = path.join(directory, 'official.log')
  assert.ok(Number(await askOfficialVfs(url, 'PRAGMA page_count', log)) > Number(pages))
  const ours = connect(t, (await openTestReplica(t, url)).uri)
  assert.equal(ours.pragma('page_count', { simple: true }), pages)
})

test('litestream_time() of the official VFS always returns the time at which the VFS was opened', async (t) => {
  const source = await makeSource(t)
  const { history } = source
  await history.commit(SEED)
  const { official, ours } = await both(t, source)
  const opened = await official.ask('PRAGMA litestream_time')
  await history.commit('UPDATE t SET n = 1 WHERE id = 1')
  await until('it has followed', async () => (await official.ask('SELECT n FROM t WHERE id = 1')) === '1')
  assert.equal(await official.ask('PRAGMA litestream_time'), opened)
  await until('ours has followed', () => value(ours, 'SELECT n FROM t WHERE id = 1') === 1)
  assert.equal(Date.parse(String(value(ours, 'SELECT litestream_time()'))), history.time)
})

test('after the snapshot that the official VFS opened is replaced, the official VFS cannot read pages any more', async (t) => {
  const source = await makeSource(t)
  const { history, client } = source
  await history.commit(SEED)
  await history.snapshot()
  const { official, ours } = await both(t, source)
  assert.equal(await official.ask('PRAGMA litestream_txid'), '0000000000000001')
  await history.commit('UPDATE t SET n = 1 WHERE id = 1')
  await history.snapshot()
  await client.delete([
    { level: 9, minTxid: 1, maxTxid: 1 },
    { level: 0, minTxid: 1, maxTxid: 1 },
  ])
  await until('it has followed', async () => (await official.ask('PRAGMA litestream_txid')) === '0000000000000002')
  assert.match(await official.ask('SELECT count(v) FROM t'), /error|locked/i)
  await until('ours has followed', () => value(ours, 'SELECT litestream_txid()') === '0000000000000002')
  assert.equal(value(ours, 'SELECT count(v) FROM t'), 2000)
})

test('the official VFS never notices that the replica was reset', async (t) => {
  const source = await makeSource(t)
  const { history, client } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1')
  const { official, ours } = await both(t, source)
  assert.equal(await official.ask('PRAGMA litestream_txid'), '0000000000000002')
  await client.delete([1, 2].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await history.restart('UPDATE t SET n = 2')
  await until('ours has noticed', () => value(ours, 'SELECT litestream_txid()') === '0000000000000001')
  assert.equal(value(ours, 'SELECT sum(n) FROM t'), 4000)
  assert.notEqual(await official.ask('SELECT sum(n) FROM t'), '4000')
  assert.equal(await official.ask('PRAGMA litestream_txid'), '0000000000000002')
})
