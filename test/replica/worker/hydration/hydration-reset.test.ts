// A local copy during a reset of its replica.
import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { connect, integrity, makeSource, openTestReplica, type Source, value } from '../../../support/replica.js'
import { until } from '../../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

async function beginAnew({ client, history }: Source, sql: string): Promise<void> {
  const txids = Array.from({ length: history.txid }, (_, i) => i + 1)
  await client.delete(txids.map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await history.restart(sql)
}

test('if no new local copy can be created after a reset, the old local copy is not read, and a new local copy is created when possible', async (t) => {
  const source = await makeSource(t)
  const { url, history, directory } = source
  await history.commit(SEED)
  await history.commit('UPDATE t SET n = 1')
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  const db = connect(t, replica.uri)
  await replica.whenHydrated()
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 3000)
  // What is no regular file is not replaced.
  rmSync(copy)
  mkdirSync(copy)
  const errors: string[] = []
  replica.on('error', ({ message }) => errors.push(message))
  await beginAnew(source, 'UPDATE t SET n = 2')
  await until('the reset is seen', async () => (await replica.refresh()) === 1)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 6000)
  assert.equal(integrity(db), 'ok')
  assert.match(errors.join('\n'), /^opening .*copy\.db failed: EISDIR/m)
  assert.equal(replica.stats().hydration, 0)
  await history.commit('UPDATE t SET n = 3 WHERE id = 1')
  await until('a commit is seen', async () => (await replica.refresh()) === 2)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 6001)
  rmdirSync(copy)
  await until(
    'the new copy is complete',
    async () => (await replica.refresh()) === 2 && replica.stats().hydration === 1,
  )
  const { crossings } = replica.stats()
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 6001)
  assert.equal(integrity(db), 'ok')
  assert.equal(replica.stats().crossings, crossings)
})
