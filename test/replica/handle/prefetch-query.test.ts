import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeProxiedSource } from '../../support/proxied-source.js'
import { connect, makeSource, openTestReplica, value } from '../../support/replica.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO t SELECT i, i % 17, hex(randomblob(200)) FROM n;
  CREATE INDEX k ON t (k);`

test('prefetch(sql) fetches the pages of a query, so that the query does not call JavaScript', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  await replica.prefetch('SELECT sum(length(v)) FROM t WHERE k = ?', { parameters: [3] })
  await replica.prefetch('SELECT * FROM t WHERE id < $to', { parameters: { to: 500 } })
  const before = replica.stats()
  const db = connect(t, replica.uri)
  value(db, 'SELECT sum(length(v)) FROM t WHERE k = 3')
  assert.equal(db.prepare('SELECT * FROM t WHERE id < 500').all().length, 499)
  const after = replica.stats()
  assert.equal(after.misses, before.misses)
  assert.equal(after.readers, before.readers + 1)
})

test('prefetch(sql) does not block the event loop, so that a store proxy that runs on the same event loop can respond to requests', async (t) => {
  const { url, history, proxy } = await makeProxiedSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { pollInterval: 3_600_000 })
  await replica.prefetch('SELECT sum(length(v)) FROM t')
  await proxy.down()
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(length(v)) FROM t'), 5000 * 400)
})

test('prefetch() refuses SQL that is not a query, and ends when its AbortSignal is aborted', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  await assert.rejects(replica.prefetch('SELECT nonsense'), { code: 'INVALID_ARGUMENT', message: /no such column/ })
  await assert.rejects(replica.prefetch('DELETE FROM t'), { code: 'INVALID_ARGUMENT' })
  const controller = new AbortController()
  const running = replica.prefetch('SELECT count(*) FROM t a, t b, t c', { signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(running, { message: 'enough' })
  await replica.close()
  await assert.rejects(replica.prefetch('SELECT 1'), { code: 'REPLICA_CLOSED' })
})
