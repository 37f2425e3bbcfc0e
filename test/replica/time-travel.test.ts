import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { formatTxid } from '../../src/ltx/txid.js'
import { compactRange } from '../support/compact.js'
import { connect, integrity, makeSource, openTestReplica, type SourceOptions, value } from '../support/replica.js'
import { until } from '../support/until.js'

const iso = (ms: number) => new Date(ms).toISOString()

/**
 * TXIDs 1..10; at TXID n, every row has n, and half of the rows went at TXID 6 with their pages.
 */
async function tenStates(t: TestContext, options: SourceOptions = {}) {
  const source = await makeSource(t, { autoVacuum: 'full', ...options })
  const { history } = source
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      INSERT INTO t SELECT i, 1, hex(randomblob(200)) FROM n;`)
  for (let n = 2; n <= 10; n++) {
    if (n === 6) await history.commit('DELETE FROM t WHERE id > 500; UPDATE t SET n = 6; VACUUM')
    else await history.commit(`UPDATE t SET n = ${n}`)
  }
  return source
}

test('a connection travels to a TXID, to a time and back, and the exact time of a commit gives the database before this commit', async (t) => {
  const { url, history } = await tenStates(t)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  const other = connect(t, replica.uri)
  const go = (target: unknown) => value(db, 'SELECT litestream_set_time(?)', target)
  const n = () => value(db, 'SELECT max(n) FROM t')
  for (const txid of [3, 6, 5, 1, 10]) {
    assert.equal(go(formatTxid(txid)), iso(history.times.get(txid) as number))
    assert.equal(n(), txid)
    assert.equal(value(db, 'SELECT count(*) FROM t'), txid < 6 ? 1000 : 500)
    assert.equal(integrity(db), 'ok')
    assert.equal(value(db, 'SELECT litestream_txid()'), formatTxid(txid))
    assert.equal(value(other, 'SELECT max(n) FROM t'), 10)
  }
  const at = history.times.get(4) as number
  for (const [time, txid] of [
    [iso(at), 3],
    [iso(at + 1), 4],
    [iso(at - 1), 3],
    [iso(at + 1000), 4],
    [iso(at + 1001), 5],
    [iso(history.time + 3_600_000), 10],
    ['now', 10],
    ['5 minutes ago', 10],
    ['half an hour ago', 10],
    ['yesterday', 10],
  ] as const) {
    go(time)
    assert.equal(n(), txid, String(time))
  }
  go(formatTxid(2))
  await history.commit('UPDATE t SET n = 11')
  await until('TXID 11 is seen', async () => (await replica.refresh()) === 11)
  assert.equal(n(), 2)
  for (const latest of ['latest', 'LATEST', 'Latest']) {
    go(latest)
    assert.equal(n(), 11)
  }
})

test('a PRAGMA litestream_time that sets the time, in upper or lower case, returns text', async (t) => {
  const { url, history } = await tenStates(t)
  const db = connect(t, (await openTestReplica(t, url)).uri)
  const time = iso(history.times.get(3) as number)
  assert.deepEqual(db.pragma(`LiteStream_Time='${formatTxid(3)}'`, { simple: true }), time)
  assert.equal(db.pragma('litestream_time', { simple: true }), time)
  assert.equal(db.pragma('litestream_txid', { simple: true }), formatTxid(3))
  assert.equal(db.pragma('litestream_time=latest', { simple: true }), iso(history.time))
})

test('an invalid travel target and travel inside a transaction are refused with the reason, and change nothing', async (t) => {
  const { url, history } = await tenStates(t)
  const db = connect(t, (await openTestReplica(t, url)).uri)
  const go = (target: unknown) => value(db, 'SELECT litestream_set_time(?)', target)
  go(formatTxid(4))
  assert.throws(() => go(null), { message: 'timestamp required' })
  assert.throws(() => go('yesterday-ish'), {
    message:
      /^invalid timestamp \(expected RFC 3339, .*\): yesterday-ish: only the part "yesterday" is a time\. Write the time in /,
  })
  assert.throws(() => go(iso(history.times.get(1) as number)), { message: /no matching backup files available/ })
  assert.throws(() => go(formatTxid(4711)), { message: /no matching backup files available for TXID 0000000000001267/ })
  assert.throws(() => db.pragma('litestream_time=nonsense'), { message: /invalid timestamp/ })
  assert.equal(value(db, 'SELECT max(n) FROM t'), 4)
  db.exec('BEGIN')
  assert.equal(value(db, 'SELECT max(n) FROM t'), 4)
  assert.throws(() => go('LATEST'), { message: /inside a transaction/ })
  assert.throws(() => db.pragma('litestream_time=latest'), { message: /inside a transaction/ })
  db.exec('COMMIT; BEGIN')
  assert.throws(() => go(formatTxid(5)), { message: /inside a transaction/ })
  db.exec('COMMIT')
  for (const name of ['litestream_txid', 'litestream_lag', 'litestream_hydration_progress', 'litestream_stats']) {
    assert.throws(() => db.pragma(`${name}=1`), { message: `${name} is read-only` })
  }
  assert.throws(() => db.exec('DELETE FROM t'), { message: 'attempt to write a readonly database' })
})

test('at() serves any number of connections at one earlier TXID, even if the replica has a local copy', async (t) => {
  const { url, history, directory } = await tenStates(t)
  const replica = await openTestReplica(t, url, { hydrate: `${directory}/copy.db` })
  await replica.whenHydrated()
  const moment = await replica.at({ txid: 5 })
  assert.equal(moment.txid, 5)
  assert.equal(moment.timestamp.getTime(), history.times.get(5))
  const connections = [connect(t, moment.uri), connect(t, moment.uri)]
  const { views } = await replica.workerStats()
  assert.equal(views, 2)
  await history.commit('UPDATE t SET n = 12')
  await until('TXID 11 is seen', async () => (await replica.refresh()) === 11)
  for (const db of connections) {
    assert.deepEqual(db.prepare('SELECT count(*), min(n), max(n) FROM t').raw().get(), [1000, 5, 5])
    assert.equal(integrity(db), 'ok')
  }
  assert.equal(value(connect(t, replica.uri), 'SELECT max(n) FROM t'), 12)
  assert.equal((await replica.at({ timestamp: new Date(history.times.get(4) as number) })).txid, 3)
  assert.equal((await replica.at({ timestamp: '1 hour ago' })).txid, 11)
  await assert.rejects(replica.at({ txid: 99 }), { code: 'TXID_NOT_AVAILABLE', hint: /nearest/ })
  await assert.rejects(replica.at({ timestamp: 'soon' }), { code: 'INVALID_ARGUMENT' })
})

test('after the files of an earlier time are compacted, an open view of this time continues with the remaining files, and a new view is refused', async (t) => {
  const source = await tenStates(t)
  const { url, client } = source
  const replica = await openTestReplica(t, url)
  const moment = await replica.at({ txid: 3 })
  const db = connect(t, moment.uri)
  assert.equal(value(db, 'SELECT max(n) FROM t'), 3)
  await compactRange(source, 1, 1, 5)
  await client.delete([1, 2, 3, 4, 5].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  assert.equal(value(db, 'SELECT max(n) FROM t'), 3)
  assert.throws(() => new Database(moment.uri), { code: 'SQLITE_CANTOPEN' })
  await assert.rejects(replica.at({ txid: 3 }), { code: 'TXID_NOT_AVAILABLE' })
  assert.equal((await replica.at({ txid: 5 })).txid, 5)
})
