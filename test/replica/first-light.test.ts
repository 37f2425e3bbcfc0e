import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { load } from '../../src/replica/handle/loadable.js'
import { connect, integrity, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, i * 7919 % 2003, hex(randomblob(40)) FROM n;
  CREATE INDEX k ON t (k);`

test('after openReplica, the driver reads the rows that the primary wrote', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  const sql = 'SELECT * FROM t ORDER BY k'
  assert.deepEqual(db.prepare(sql).all(), history.db.prepare(sql).all())
  assert.equal(integrity(db), 'ok')
  assert.equal(replica.txid, 1)
  assert.equal(replica.timestamp.getTime(), history.time)
})

test('after the extension is loaded, a plain URI as a file name opens a replica', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  load(new Database(':memory:'))
  const db = connect(t, `file:app.db?vfs=litestream&replica_url=${encodeURIComponent(url)}`)
  assert.equal(value(db, 'SELECT sum(k) FROM t'), value(history.db, 'SELECT sum(k) FROM t'))
})

test('a URI without replica_url uses the environment variable LITESTREAM_REPLICA_URL', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  load(new Database(':memory:'))
  process.env.LITESTREAM_REPLICA_URL = url
  t.after(() => delete process.env.LITESTREAM_REPLICA_URL)
  const db = connect(t, 'file:app.db?vfs=litestream')
  assert.equal(value(db, 'SELECT count(*) FROM t'), 2000)
})

test('the second run of a query on a replica does not call JavaScript', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  const run = () => {
    value(db, 'SELECT count(*) FROM t WHERE v > ?', 'A')
    value(db, 'SELECT v FROM t WHERE k = 77')
  }
  run()
  const before = replica.stats().crossings
  run()
  assert.equal(replica.stats().crossings, before)
  // A new connection has no page in SQLite's cache: its pages come from native memory.
  const other = connect(t, replica.uri)
  value(other, 'SELECT count(*) FROM t WHERE v > ?', 'A')
  assert.equal(replica.stats().crossings, before)
  assert.equal(replica.stats().readers, 2)
})

test('open connections to a replica see a new TXID', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 2000)
  await history.commit("INSERT INTO t (k, v) VALUES (1, 'new')")
  await until('the row is there', () => value(db, 'SELECT count(*) FROM t') === 2001)
  assert.equal(value(db, 'SELECT litestream_txid()'), '0000000000000002')
})

test('if a replica was opened only for reading, a connection to the replica cannot write', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  for (const options of [{ readonly: true }, {}]) {
    const db = new Database(replica.uri, options)
    assert.throws(() => db.exec('DELETE FROM t'), { message: 'attempt to write a readonly database' })
    assert.throws(() => db.exec('CREATE TABLE u (x)'), { message: 'attempt to write a readonly database' })
    assert.throws(() => db.exec('VACUUM'), { message: 'attempt to write a readonly database' })
    assert.equal(db.pragma('journal_mode', { simple: true }), 'delete')
    assert.equal(db.pragma('journal_mode=wal', { simple: true }), 'delete')
    assert.equal(value(db, 'SELECT count(*) FROM t'), 2000)
    db.close()
  }
})

test('while a replica is open, other databases of the process stay unchanged, byte for byte', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
  const script = (db: Database.Database) => {
    db.exec("CREATE TABLE x (a, b); INSERT INTO x VALUES (1, 'one'), (2, 'two'); DELETE FROM x WHERE a = 1")
    db.pragma('wal_checkpoint(TRUNCATE)')
  }
  for (const mode of ['delete', 'wal']) {
    const before = new Database(path.join(directory, `before-${mode}.db`))
    before.pragma(`journal_mode=${mode}`)
    const replica = await openTestReplica(t, url)
    const reader = connect(t, replica.uri)
    const after = new Database(path.join(directory, `after-${mode}.db`))
    after.pragma(`journal_mode=${mode}`)
    script(before)
    script(after)
    assert.equal(value(reader, 'SELECT count(*) FROM t'), 2000)
    assert.throws(() => before.prepare('SELECT litestream_txid()'), /no such function/)
    assert.throws(() => after.prepare('SELECT litestream_txid()'), /no such function/)
    assert.equal(after.pragma('litestream_txid', { simple: true }), undefined)
    before.close()
    after.close()
    assert.equal(hash(before.name), hash(after.name))
  }
})
