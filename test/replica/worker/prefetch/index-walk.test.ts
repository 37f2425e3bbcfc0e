import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica, type Replica } from '../../../../src/replica/handle/open-replica.js'
import { FileReplicaClient } from '../../../../src/storage/file/file-client.js'
import { History } from '../../../support/history.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const ROWS = 20_000
const KEYS = 500

/**
 * 40 rows a key, far from each other in the table; every third key is NULL, a blob or a long text.
 */
const SETUP = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, k, pad TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO t SELECT i * 3 - 30000,
    CASE WHEN i % ${KEYS} % 3 = 0 THEN i % ${KEYS} WHEN i % ${KEYS} % 3 = 1 THEN 'key ' || (i % ${KEYS}) ELSE zeroblob(i % ${KEYS} + 1) END,
    hex(randomblob(150)) FROM n;
  CREATE INDEX t_k ON t (k);`

async function published(t: TestContext, setup: string): Promise<{ history: History; url: string }> {
  const directory = temporaryDirectory(t)
  const client = await FileReplicaClient.open({ path: `${directory}/replica` })
  const history = new History(path.join(directory, 'app.db'), client)
  await history.commit(setup)
  return { history, url: `file://${directory}/replica` }
}

/**
 * Runs a query on a replica that has cached the interior pages; returns how many pages SQLite
 * requested one by one, and how many were prefetched.
 */
async function firstExecution(replica: Replica, history: History, sql: string, key: unknown) {
  while ((await replica.workerStats()).underWay > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const before = (await replica.workerStats()).fetch
  const db = new Database(replica.uri, { readonly: true })
  assert.deepEqual(db.prepare(sql).all(key), history.db.prepare(sql).all(key))
  db.close()
  const after = (await replica.workerStats()).fetch
  return { wanted: after.pagesWanted - before.pagesWanted, ahead: after.pagesAhead - before.pagesAhead }
}

test('the rows that an index search finds are fetched together', async (t) => {
  const { history, url } = await published(t, SETUP)
  const sql = 'SELECT id, k, pad FROM t WHERE k = ? ORDER BY k'
  for (const key of [3, 'key 4', Buffer.alloc(6)]) {
    await using replica = await openReplica(url)
    const db = new Database(replica.uri, { readonly: true })
    const rows = db.prepare(sql).all(key)
    assert.equal(rows.length, ROWS / KEYS)
    assert.deepEqual(rows, history.db.prepare(sql).all(key))
    // The way down the index, the first row, and the eleventh, and a few waits for what is under
    // way: not one or two a row.
    const { pagesWanted } = (await replica.workerStats()).fetch
    assert.ok(pagesWanted <= 12, `${pagesWanted} pages were asked for one by one`)
    assert.ok(replica.stats().crossings <= rows.length / 2, `${replica.stats().crossings} waits`)
    db.close()
  }
  history.close()
})

/** Eight orders a day, 32 a week and two a customer, from all over the table. */
const JOINED = `
  CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, pad TEXT);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, total REAL, customer INTEGER, day INTEGER, week INTEGER, pad TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
  INSERT INTO customer SELECT i, 'c' || i, hex(randomblob(200)) FROM n;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16000)
  INSERT INTO orders SELECT i, NULL, i / 3.0, 1 + i * 10007 % 7993, i * 7919 % 2003, i * 7919 % 499, hex(randomblob(200)) FROM n;
  CREATE INDEX orders_day ON orders (day, total);
  CREATE INDEX orders_week ON orders (week, total);`

test('a read of the first row of a key prefetches the key’s other rows, and the rows that are joined with them', async (t) => {
  const { history, url } = await published(t, JOINED)
  for (const order of ['ASC', 'DESC']) {
    const own = `SELECT * FROM orders WHERE day = ? ORDER BY total ${order}`
    await using replica = await openReplica(url)
    // The index leaf and the first row; the other seven come with it.
    const { wanted, ahead } = await firstExecution(replica, history, own, 1234)
    assert.deepEqual([wanted, ahead], [2, 7], order)

    await using another = await openReplica(url)
    const joined = `SELECT o.id, c.name FROM orders o JOIN customer c ON c.id = o.customer WHERE day = ? ORDER BY total ${order}`
    const both = await firstExecution(another, history, joined, 77)
    assert.deepEqual([both.wanted, both.ahead], [3, 14], `${order}, joined`)
  }
  history.close()
})

test('if a key has many rows, only ten rows are fetched at first, so that a query with a LIMIT fetches few pages', async (t) => {
  const { history, url } = await published(t, JOINED)
  await using replica = await openReplica(url)
  const sql = 'SELECT * FROM orders WHERE week = ? ORDER BY total LIMIT 10'
  const { wanted, ahead } = await firstExecution(replica, history, sql, 123)
  assert.deepEqual([wanted, ahead], [2, 9])
  history.close()
})
