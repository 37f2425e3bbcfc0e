import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatTxid } from '../../src/ltx/txid.js'
import { History } from '../support/history.js'
import { connect, integrity, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

// SQLite keeps a parsed schema for as long as the schema cookie is the same. Two databases may have
// the same one.
const ONE = 'CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)'
const OTHER = 'CREATE TABLE b (x); CREATE TABLE a (x); INSERT INTO a VALUES (3); INSERT INTO b VALUES (4)'

/** A connection that has parsed the schema of the first. */
async function readerOfOne(t: TestContext) {
  const source = await makeSource(t)
  await source.history.commit(ONE)
  const replica = await openTestReplica(t, source.url)
  const db = connect(t, replica.uri)
  const read = db.prepare('SELECT a.x, b.x FROM a, b').raw()
  assert.deepEqual(read.get(), [1, 2])
  return { ...source, replica, db, read }
}

test('if a reset changes the schema but not the schema cookie, SQLite does not use the old schema', async (t) => {
  const { history, client, directory, replica, db, read } = await readerOfOne(t)
  const events: string[] = []
  replica.on('reset', ({ code }) => events.push(code))
  await client.delete([{ level: 0, minTxid: 1, maxTxid: 1 }])
  const anew = new History(path.join(directory, 'other.db'), client)
  t.after(() => anew.close())
  anew.time = history.time
  await anew.commit(OTHER)
  assert.equal(value(anew.db, 'PRAGMA schema_version'), value(history.db, 'PRAGMA schema_version'))
  await until('the reset is seen', async () => (await replica.refresh()) === 1 && events.length === 1)
  assert.deepEqual(read.get(), [3, 4])
  assert.equal(integrity(db), 'ok')
})

test('if a database was replaced by another database with the same TXIDs, the new database is read correctly, both live and by time travel', async (t) => {
  const { history, client, directory, replica, db, read } = await readerOfOne(t)
  // The primary finds that another file has replaced its database and continues with a snapshot of
  // it.
  const other = new History(path.join(directory, 'other.db'), client)
  t.after(() => other.close())
  other.txid = history.txid
  await other.commit(OTHER)
  await until('TXID 2 is seen', async () => (await replica.refresh()) === 2)
  assert.deepEqual(read.get(), [3, 4])
  for (const [txid, row] of [
    [1, [1, 2]],
    [2, [3, 4]],
    [1, [1, 2]],
  ] as const) {
    value(db, 'SELECT litestream_set_time(?)', formatTxid(txid))
    assert.deepEqual(read.get(), row)
    assert.equal(integrity(db), 'ok')
  }
  value(db, "SELECT litestream_set_time('LATEST')")
  assert.deepEqual(read.get(), [3, 4])
})

test('if a database was replaced by another database after a gap, the new database is read with its own schema', async (t) => {
  const { history, client, directory, replica, read } = await readerOfOne(t)
  const other = new History(path.join(directory, 'other.db'), client)
  t.after(() => other.close())
  other.txid = history.txid + 1
  other.time = history.time
  // TXID 2 is missing: only the snapshot of TXID 3 exists.
  await other.commit(OTHER)
  await other.snapshot()
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  assert.deepEqual(read.get(), [3, 4])
})
