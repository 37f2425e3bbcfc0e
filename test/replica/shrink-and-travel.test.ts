// Where features meet: a shrink under an open transaction, time travel with a local copy, times
// relative to now.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { formatTxid } from '../../src/ltx/txid.js'
import { connect, integrity, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 1, hex(randomblob(200)) FROM n;`

test('while the database shrinks and grows, a transaction keeps its database size and its pages', async (t) => {
  const { url, history } = await makeSource(t, { autoVacuum: 'incremental' })
  await history.commit(SEED)
  const before = history.db.prepare('SELECT * FROM t').all()
  const pages = history.db.pragma('page_count', { simple: true })
  // Room for few pages: what the transaction needs is fetched again.
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096 })
  const held = connect(t, replica.uri)
  held.pragma('cache_size=10')
  held.exec('BEGIN')
  assert.equal(value(held, 'SELECT count(*) FROM t'), 2000)
  for (const sql of [
    'DELETE FROM t WHERE id > 500',
    'PRAGMA incremental_vacuum(50)',
    'PRAGMA incremental_vacuum',
    'VACUUM',
    "INSERT INTO t SELECT id + 500, 2, 'y' || v FROM t",
  ]) {
    await history.commit(sql)
    await until('the step is there', async () => (await replica.refresh()) === history.txid)
    assert.equal(held.pragma('page_count', { simple: true }), pages)
    assert.deepEqual(held.prepare('SELECT * FROM t').all(), before)
    assert.equal(integrity(held), 'ok')
  }
  held.exec('COMMIT')
  assert.equal(held.pragma('page_count', { simple: true }), history.db.pragma('page_count', { simple: true }))
  assert.deepEqual(held.prepare('SELECT * FROM t').all(), history.db.prepare('SELECT * FROM t').all())
  assert.equal(integrity(held), 'ok')
})

test('a connection to a replica with a local copy travels in time, and afterwards reads the local copy again', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  for (let n = 2; n <= 4; n++) await history.commit(`UPDATE t SET n = ${n}`)
  const replica = await openTestReplica(t, url, { hydrate: path.join(directory, 'copy.db') })
  await replica.whenHydrated()
  const db = connect(t, replica.uri)
  const go = (target: string) => value(db, 'SELECT litestream_set_time(?)', target)
  for (const txid of [2, 1, 3]) {
    await until('the copy is complete', () => replica.stats().hydration === 1)
    go(formatTxid(txid))
    assert.deepEqual(db.prepare('SELECT min(n), max(n), count(v) FROM t').raw().get(), [txid, txid, 2000])
    assert.equal(db.pragma('litestream_hydration_progress', { simple: true }), '100.0')
    await history.commit(`UPDATE t SET n = ${history.txid + 1}`)
    await until('the commit is seen', async () => (await replica.refresh()) === history.txid)
    assert.equal(value(db, 'SELECT max(n) FROM t'), txid)
  }
  await until('the copy is complete', () => replica.stats().hydration === 1)
  go('LATEST')
  const { crossings } = replica.stats()
  assert.deepEqual(db.prepare('SELECT min(n), max(n), count(v) FROM t').raw().get(), [7, 7, 2000])
  assert.equal(replica.stats().crossings, crossings)
})

test('a travel time in words, such as an hour ago, is relative to the current time', async (t) => {
  const { url, history } = await makeSource(t)
  history.time = Date.now() - 20 * 60_000
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 2', 10 * 60_000)
  await history.commit('UPDATE t SET n = 3', 9 * 60_000)
  const db = connect(t, (await openTestReplica(t, url)).uri)
  for (const [time, n] of [
    ['15 minutes ago', 1],
    ['5 minutes ago', 2],
    ['1 second ago', 3],
    ['now', 3],
  ] as const) {
    value(db, 'SELECT litestream_set_time(?)', time)
    assert.equal(value(db, 'SELECT max(n) FROM t'), n, time)
  }
  assert.throws(() => value(db, "SELECT litestream_set_time('1 hour ago')"), { message: /no matching backup files/ })
})

test('the worker does not write a complete local copy again', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const open = () => openTestReplica(t, url, { hydrate: copy })
  const first = await open()
  await first.whenHydrated()
  await first.close()
  const { mtimeMs, ino } = statSync(copy)
  const second = await open()
  await second.whenHydrated()
  assert.equal(value(connect(t, second.uri), 'SELECT count(v) FROM t'), 2000)
  assert.deepEqual([statSync(copy).mtimeMs, statSync(copy).ino], [mtimeMs, ino])
})
