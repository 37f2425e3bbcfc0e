import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeProxiedSource } from '../../support/proxied-source.js'
import { ReaderThread } from '../../support/reader-thread.js'
import { openTestReplica } from '../../support/replica.js'

const ROWS = 150

test('after many files are deleted together, one search finds the replacements for the current view and for later views', async (t) => {
  const { history, client, proxy, url } = await makeProxiedSource(t)
  // One row per page, so that each commit writes a different page to a different file.
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
      INSERT INTO t SELECT i, 0, hex(randomblob(1800)) FROM n`)
  for (let id = 1; id <= ROWS; id++)
    await history.commit(`UPDATE t SET n = 1, v = hex(randomblob(1800)) WHERE id = ${id}`)
  const replica = await openTestReplica(t, url, { cacheSize: 1, readAhead: 'none', pollInterval: 60_000 })
  const threads = await Promise.all([0, 1, 2, 3].map(() => ReaderThread.open(t, replica.uri)))
  for (const thread of threads) {
    await thread.ask('BEGIN')
    await thread.value('SELECT n FROM t WHERE id = 1')
  }
  // The transactions' state is in the snapshot; the newest one has a file more.
  await history.snapshot()
  const gone = Array.from({ length: history.txid }, (_, i) => ({ level: 0, minTxid: i + 1, maxTxid: i + 1 }))
  await history.commit('UPDATE t SET n = 2 WHERE id = 1')
  await replica.refresh()
  await client.delete(gone)
  proxy.reset()
  const rows = await Promise.all(threads.map((thread, i) => thread.value(`SELECT n FROM t WHERE id = ${20 + i * 20}`)))
  assert.deepEqual(rows, [1, 1, 1, 1])
  // One search: a poll, and a look at every level. Each of the four found another file gone.
  assert.equal(proxy.counts().kinds.LIST, 11)
  for (const thread of threads) {
    assert.equal(await thread.value('SELECT sum(n) FROM t'), ROWS)
    await thread.ask('COMMIT')
  }
  assert.equal(await threads[0].value('SELECT sum(n) FROM t'), ROWS + 1, 'the view that follows')
  assert.equal(proxy.counts().kinds.LIST, 11, 'knows the new places')
})
