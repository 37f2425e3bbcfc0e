import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type Database from 'better-sqlite3'
import { compactRange } from '../../../support/compact.js'
import { connect, damageFrame, integrity, makeSource, openTestReplica, value } from '../../../support/replica.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'
import { until } from '../../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`
const sum = (db: Database.Database) => value(db, 'SELECT sum(n) FROM t')

test('a transaction reads one TXID while another connection reads a newer TXID', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const reader = connect(t, replica.uri)
  const other = connect(t, replica.uri)
  reader.exec('BEGIN')
  assert.equal(sum(reader), 0)
  for (let i = 1; i <= 5; i++) await history.commit('UPDATE t SET n = n + 1')
  await until('the other connection is there', () => sum(other) === 10_000)
  assert.equal(sum(reader), 0)
  assert.equal(value(reader, 'SELECT litestream_txid()'), '0000000000000001')
  assert.equal(value(reader, 'SELECT count(*) FROM t WHERE v IS NOT NULL'), 2000)
  reader.exec('COMMIT')
  assert.equal(sum(reader), 10_000)
})

test('if a compacted file is older than the applied TXID, the reader does not move back', async (t) => {
  const source = await makeSource(t)
  const { url, history } = source
  await history.commit(SEED)
  for (let n = 1; n <= 4; n++) await history.commit(`UPDATE t SET n = ${n} WHERE id = 1`)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  await compactRange(source, 1, 2, 3)
  await replica.refresh()
  await compactRange(source, 2, 2, 3)
  await replica.refresh()
  assert.equal(value(db, 'SELECT n FROM t WHERE id = 1'), 4)
  assert.equal(value(connect(t, replica.uri), 'SELECT n FROM t WHERE id = 1'), 4)
  assert.equal(replica.txid, 5)
})

test('a replica that was opened before level 1 existed follows compacted files that span its TXID, even without L0 files', async (t) => {
  const source = await makeSource(t)
  const { url, history, client } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1 WHERE id = 1')
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  for (let n = 2; n <= 9; n++) await history.commit(`UPDATE t SET n = ${n} WHERE id = ${n}`)
  // One file reaches across the TXID that the replica was opened at; level 0 is gone but for its
  // end.
  await compactRange(source, 1, 1, 6)
  await client.delete(range(1, 6))
  await until('it has caught up', async () => (await replica.refresh()) === 10)
  await history.commit('UPDATE t SET n = 100 WHERE id = 100')
  await compactRange(source, 1, 7, 11)
  await client.delete(range(7, 11))
  await until('it has caught up', async () => (await replica.refresh()) === 11)
  assert.equal(sum(db), sum(history.db))
  assert.equal(integrity(db), 'ok')
})

function range(from: number, to: number) {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ level: 0, minTxid: from + i, maxTxid: from + i }))
}

for (const mode of ['incremental', 'full'] as const) {
  test(`a database that shrinks by auto_vacuum=${mode} and grows again is read correctly, both by a replica that is already open and by a newly opened replica`, async (t) => {
    const { url, history } = await makeSource(t, { autoVacuum: mode })
    await history.commit(SEED)
    const replica = await openTestReplica(t, url)
    const db = connect(t, replica.uri)
    const pages = (from: Database.Database) => from.pragma('page_count', { simple: true })
    const steps = [
      'DELETE FROM t WHERE id > 500',
      'PRAGMA incremental_vacuum(37)',
      'PRAGMA incremental_vacuum',
      "INSERT INTO t SELECT id + 500, 1, 'x' || v FROM t WHERE id <= 500",
      'VACUUM',
      'DELETE FROM t',
      'INSERT INTO t (n, v) VALUES (7, zeroblob(100000))',
    ]
    for (const [i, sql] of steps.entries()) {
      await history.commit(sql)
      await until('the step is there', async () => (await replica.refresh()) === history.txid)
      // Other options than before: with the same options, the process would share its open replica.
      const fresh = await openTestReplica(t, url, { pollInterval: 3_600_000 + i })
      for (const connection of [db, connect(t, fresh.uri)]) {
        assert.equal(pages(connection), pages(history.db), sql)
        assert.deepEqual(connection.prepare('SELECT * FROM t').all(), history.db.prepare('SELECT * FROM t').all())
        assert.equal(integrity(connection), 'ok')
      }
    }
  })
}

test('after the snapshot and every file of a replica are replaced, connections and open transactions read correctly', async (t) => {
  const source = await makeSource(t)
  const { url, history, client } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1')
  await history.snapshot()
  await client.delete(range(1, 2))
  // Room for few pages: what a statement needs is fetched again and again.
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096 })
  const db = connect(t, replica.uri)
  db.pragma('cache_size=10')
  db.exec('BEGIN')
  assert.equal(value(db, 'SELECT n FROM t WHERE id = 1'), 1)
  await history.commit('UPDATE t SET n = 2 WHERE id % 2 = 0')
  await history.snapshot()
  await compactRange(source, 1, 3, 3)
  await client.delete([{ level: 9, minTxid: 1, maxTxid: 2 }, ...range(3, 3)])
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  // TXID 2 cannot be built any more; pages that TXID 3 did not change are certain all the same.
  const other = connect(t, replica.uri)
  assert.equal(value(other, 'SELECT sum(n) FROM t'), 3000)
  assert.throws(() => value(db, 'SELECT sum(length(v)) FROM t'), { code: 'SQLITE_IOERR_READ' })
  assert.match(String(value(other, 'SELECT litestream_error()')), /^PAGE_UNAVAILABLE: /)
  // SQLite itself ends a transaction that cannot be continued.
  assert.equal(db.inTransaction, false)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 3000)
  assert.equal(integrity(db), 'ok')
})

test('if retention deletes every file of a transaction’s view at once, the reader does not take the deletion for a reset', async (t) => {
  // Not a folder, whose changes are seen at once.
  const { url, history, client } = await makeSource(t, { url: s3Url(await s3Bucket(t), 'retention.db') })
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1')
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096, pollInterval: '1h' })
  replica.on('reset', (error) => assert.fail(error))
  const db = connect(t, replica.uri)
  db.pragma('cache_size=10')
  db.exec('BEGIN')
  assert.equal(value(db, 'SELECT n FROM t WHERE id = 1'), 1)
  await history.snapshot()
  await history.commit('UPDATE t SET n = 2')
  await history.snapshot()
  await client.delete(range(1, 3))
  await history.commit('UPDATE t SET n = 3')
  // The replica is still at TXID 2, and none of its known files exists any more.
  assert.equal(await replica.refresh(), 4)
  const other = connect(t, replica.uri)
  assert.throws(() => value(db, 'SELECT sum(length(v)) FROM t'), { code: 'SQLITE_IOERR_READ' })
  assert.match(
    String(value(other, 'SELECT litestream_error()')),
    /^PAGE_UNAVAILABLE: no set of files in the replica reaches TXID 0+2 /,
  )
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 6000)
})

test('if the view of a TXID cannot be built any more, the reader still serves the pages that later files did not change', async (t) => {
  const source = await makeSource(t)
  const { url, history, client } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1 WHERE id = 1')
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096 })
  const db = connect(t, replica.uri)
  db.pragma('cache_size=10')
  db.exec('BEGIN')
  assert.equal(value(db, 'SELECT n FROM t WHERE id = 1'), 1)
  await history.commit('UPDATE t SET n = 2 WHERE id = 1')
  await until('the reader knows the pages of TXID 3', async () => (await replica.refresh()) === 3)
  await compactRange(source, 1, 2, 3)
  await client.delete(range(2, 3))
  // Level 0 starts again with a compacted copy of the first file.
  await compactRange(source, 1, 1, 1)
  await client.delete(range(1, 1))
  assert.equal(value(db, 'SELECT sum(length(v)) FROM t WHERE id > 200'), 1800 * 400)
  db.exec('COMMIT')
  assert.equal(value(db, 'SELECT n FROM t WHERE id = 1'), 2)
})

test('a damaged page is read from another file, if another file has the page', async (t) => {
  const source = await makeSource(t)
  const { url, history } = source
  const first = await history.commit(SEED)
  const snapshot = await history.snapshot()
  await damageFrame(source, snapshot, 100)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(v) FROM t'), 2000)
  assert.equal(integrity(db), 'ok')
  assert.equal(first.level, 0)
})

test('an open replica and a newly opened replica both follow a change of the primary’s page size', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  const reader = connect(t, replica.uri)
  reader.exec('BEGIN')
  assert.equal(sum(reader), 0)
  await history.commit('PRAGMA page_size=8192; UPDATE t SET n = 1; VACUUM')
  await until('the new TXID is there', () => value(db, 'SELECT litestream_txid()') === '0000000000000002')
  assert.equal(sum(reader), 0)
  assert.equal(value(reader, 'SELECT count(v) FROM t'), 2000)
  reader.exec('COMMIT')
  await history.commit('UPDATE t SET n = 2')
  await replica.refresh()
  const fresh = await openTestReplica(t, url, { pollInterval: 3_600_000 })
  for (const connection of [db, reader, connect(t, fresh.uri)]) {
    assert.equal(sum(connection), 4000)
    assert.equal(connection.pragma('page_size', { simple: true }), 8192)
    assert.equal(integrity(connection), 'ok')
  }
})

test('litestream_time() returns the time of the view', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  const time = () => Date.parse(String(value(db, 'SELECT litestream_time()')))
  assert.equal(time(), history.times.get(1))
  await history.commit('UPDATE t SET n = 1')
  await until('TXID 2 is seen', async () => (await replica.refresh()) === 2)
  assert.equal(time(), history.times.get(2))
  db.exec('BEGIN')
  sum(db)
  await history.commit('UPDATE t SET n = 2')
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  assert.equal(time(), history.times.get(2))
  assert.equal(db.pragma('litestream_txid', { simple: true }), '0000000000000002')
  db.exec('COMMIT')
  assert.equal(time(), history.times.get(3))
})

test('a reset replica is reported and read from its new beginning, and an open transaction never mixes the old and the new database', async (t) => {
  const source = await makeSource(t)
  const { url, history, files } = source
  await history.commit(SEED)
  for (let i = 1; i <= 3; i++) await history.commit(`UPDATE t SET n = ${i}`)
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096 })
  const resets: string[] = []
  replica.on('reset', (error) => resets.push(error.code))
  const db = connect(t, replica.uri)
  const reader = connect(t, replica.uri)
  for (const connection of [db, reader]) connection.pragma('cache_size=10')
  reader.exec('BEGIN')
  assert.equal(value(reader, 'SELECT n FROM t WHERE id = 1'), 3)
  // The same database again under the same names, with TXIDs that go back.
  rmSync(path.join(files, 'ltx'), { recursive: true })
  await history.restart('UPDATE t SET n = 50')
  await until('the reset is seen', () => resets.length > 0)
  assert.deepEqual(resets, ['REPLICA_RESET'])
  assert.equal(sum(db), 100_000)
  assert.equal(replica.txid, 1)
  assert.throws(() => sum(reader), { code: 'SQLITE_IOERR_READ' })
  assert.match(String(value(db, 'SELECT litestream_error()')), /^REPLICA_RESET: /)
  assert.equal(sum(reader), 100_000)
  // TXIDs of the first incarnation now have other contents.
  for (let i = 1; i <= 5; i++) {
    await history.commit(`UPDATE t SET n = ${50 + i}`)
    await until('it is seen', async () => (await replica.refresh()) === history.txid)
    assert.equal(sum(db), (50 + i) * 2000)
    assert.equal(sum(reader), (50 + i) * 2000)
  }
})
