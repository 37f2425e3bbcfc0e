import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica } from '../../src/replica/open-replica.js'
import { FileReplicaClient } from '../../src/storage/file/file-client.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const ROWS = 20_000
const KEYS = 500

/** 40 rows a key, far from each other in the table; every third key is NULL, a blob or a long text. */
const SETUP = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, k, pad TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO t SELECT i * 3 - 30000,
    CASE WHEN i % ${KEYS} % 3 = 0 THEN i % ${KEYS} WHEN i % ${KEYS} % 3 = 1 THEN 'key ' || (i % ${KEYS}) ELSE zeroblob(i % ${KEYS} + 1) END,
    hex(randomblob(150)) FROM n;
  CREATE INDEX t_k ON t (k);`

test('rows that an index leads to are fetched together after the second of them', async (t) => {
  const directory = temporaryDirectory(t)
  const history = new History(
    path.join(directory, 'app.db'),
    await FileReplicaClient.open({ path: `${directory}/replica` }),
  )
  await history.commit(SETUP)
  const sql = 'SELECT id, k, pad FROM t WHERE k = ? ORDER BY k'
  for (const key of [3, 'key 4', Buffer.alloc(6)]) {
    await using replica = await openReplica(`file://${directory}/replica`)
    const db = new Database(replica.uri, { readonly: true })
    const rows = db.prepare(sql).all(key)
    assert.equal(rows.length, ROWS / KEYS)
    assert.deepEqual(rows, history.db.prepare(sql).all(key))
    // The way down the index, the first row, the second row, and a few waits for what is under way: not one or two a row.
    const { pagesWanted } = (await replica.details()).fetch
    assert.ok(pagesWanted <= 12, `${pagesWanted} pages were asked for one by one`)
    assert.ok(replica.stats().crossings <= rows.length / 2, `${replica.stats().crossings} waits`)
    db.close()
  }
  history.close()
})
