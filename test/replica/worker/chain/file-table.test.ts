import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FileTable } from '../../../../src/replica/worker/chain/file-ordinals.js'
import { connect, makeSource, openTestReplica, value } from '../../../support/replica.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid, size: 1000 + txid, createdAt: txid })

test('the ordinal of a file that was unreferenced at two reclaims is reused, unless the file was used between the two reclaims', () => {
  const table = new FileTable()
  for (let txid = 1; txid <= 5; txid++) assert.equal(table.ordinal(file(txid)), txid)
  assert.deepEqual([...table.reclaim(new Set([5]))], [])
  assert.equal(table.ordinal(file(2)), 2)
  assert.deepEqual([...table.reclaim(new Set([5, 4]))], [1, 3])
  assert.equal(table.size, 3)
  assert.equal(table.has(file(1)), false)
  assert.equal(table.has(file(2)), true)
  assert.deepEqual([table.ordinal(file(6)), table.ordinal(file(7)), table.ordinal(file(8))].sort(), [1, 3, 6])
  assert.deepEqual(table.get(table.ordinal(file(7))), file(7))
})

test('while a primary writes many files, the reader’s memory stays bounded, and every page is right', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v BLOB)')
  await history.commit(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
    INSERT INTO t SELECT i, 0, randomblob(1000) FROM n`)
  const replica = await openTestReplica(t, url, { pollInterval: 3_600_000 })
  const db = connect(t, replica.uri)
  for (let n = 1; n <= 1400; n++) {
    await history.commit(`UPDATE t SET n = ${n} WHERE id = ${(n % 200) + 1}`)
    if (n % 40 !== 0) continue
    await replica.refresh()
    assert.equal(value(db, 'SELECT sum(n) FROM t'), value(history.db, 'SELECT sum(n) FROM t'))
  }
  assert.ok((await replica.workerStats()).files < 1250)
  assert.deepEqual(db.prepare('SELECT * FROM t').all(), history.db.prepare('SELECT * FROM t').all())
})
