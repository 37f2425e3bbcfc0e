import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compactRange } from '../../../support/compact.js'
import { connect, makeSource, openTestReplica, value } from '../../../support/replica.js'
import { until } from '../../../support/until.js'

test('if the file of a TXID was compacted with a later file that shrinks the database, the removed pages are not read from earlier files', async (t) => {
  const source = await makeSource(t, { autoVacuum: 'full' })
  const { url, history, client } = source
  const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO t SELECT i, 1, hex(randomblob(900)) FROM n`
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT); ${rows}`)
  await history.snapshot()
  await history.commit('UPDATE t SET n = 2')
  const replica = await openTestReplica(t, url, { cacheSize: 1, readAhead: 'none' })
  const held = connect(t, replica.uri)
  held.pragma('cache_size=5')
  held.exec('BEGIN')
  assert.equal(value(held, 'SELECT n FROM t WHERE id = 1'), 2)
  await history.commit('DELETE FROM t WHERE id > 20')
  await compactRange(source, 1, 2, 3)
  await client.delete([2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  // What TXID 2 changed beyond the new end is in no file any more: refused, never answered with
  // TXID 1.
  assert.throws(() => held.prepare('SELECT DISTINCT n FROM t').pluck().all(), { code: 'SQLITE_IOERR_READ' })
  assert.match(String(value(held, 'SELECT litestream_error()')), /^PAGE_UNAVAILABLE/)
  assert.equal(value(held, 'SELECT count(*) FROM t'), 20)
})
