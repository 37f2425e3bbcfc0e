import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cleanUp } from '../support/clean-up.js'
import { startFaultProxy } from '../support/fault-proxy.js'
import { ReaderThread } from '../support/reader-thread.js'
import { makeSource, openTestReplica } from '../support/replica.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { until } from '../support/until.js'

// A long-running reader: a primary writes a hundred times per second with compaction and retention,
// threads read whole states at their TXID, and memory and requests stay constant. One second in the
// gate; longer: REPLICA_SOAK_MINUTES=8 npm test -- replica/soak
const SECONDS = Number(process.env.REPLICA_SOAK_MINUTES ?? 0) * 60 || 3
const ROWS = 2000

test(`while a primary makes a hundred writes per second for ${SECONDS} s, readers see complete states, and memory and requests stay constant`, async (t) => {
  const bucket = await s3Bucket({ after: (step: () => unknown) => cleanUp(t, step) } as never)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  cleanUp(t, () => proxy.close())
  const source = await makeSource(t, { url: s3Url(bucket) })
  const { history, client, directory } = source
  // At TXID n the sum of all rows is n - 1: one row is raised with each.
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS - 1})
      INSERT INTO t SELECT i, 0, hex(randomblob(100)) FROM n`)
  const url = s3Url(bucket, 'app.db', proxy.url)
  const replicas = [
    await openTestReplica(t, url, { pollInterval: 1000, cacheSize: '256KiB' }),
    await openTestReplica(t, url, { pollInterval: 1000, hydrate: path.join(directory, 'copy.db') }),
  ]
  const threads = await Promise.all(
    replicas.flatMap(({ uri }) => [0, 1].map(() => ReaderThread.open(t, uri, ['PRAGMA cache_size=20']))),
  )
  let states = 0
  const check = async (thread: ReaderThread) => {
    await thread.ask('BEGIN')
    const txid = Number.parseInt(String((await thread.value('SELECT litestream_txid() FROM t LIMIT 1')) ?? ''), 16)
    const answer = await thread.ask('SELECT count(*), sum(n), count(v) FROM t')
    assert.ok('rows' in answer, JSON.stringify(answer))
    assert.deepEqual(answer.rows, [[ROWS, txid - 1, ROWS]])
    await thread.ask('COMMIT')
    states++
  }
  const memory: number[] = []
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let nextSample = 0
  proxy.reset()
  let lists = 0
  const reading = Promise.all(
    threads.map(async (thread) => {
      while (seconds() < SECONDS) {
        await check(thread)
        await delay(200)
      }
    }),
  )
  while (seconds() < SECONDS) {
    const behind = Math.floor(seconds() * 100) - history.txid
    if (behind <= 0) await delay(5)
    else await history.commit(`UPDATE t SET n = n + 1 WHERE id = ${history.txid % ROWS}`, 10)
    if (history.txid % 500 === 0) {
      await history.snapshot()
      // The last two snapshots stay, and what leads on from them: no view that a reader has is out
      // of reach.
      const old = Array.from({ length: 500 }, (_, i) => history.txid - 1500 + i).filter((txid) => txid > 0)
      await client.delete(old.map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
      if (history.txid > 1000) await client.delete([{ level: 9, minTxid: 1, maxTxid: history.txid - 1000 }])
    }
    if (seconds() >= nextSample) {
      nextSample += 15
      memory.push(Math.round(process.memoryUsage().rss / 2 ** 20))
      lists += proxy.counts().kinds.LIST ?? 0
      proxy.reset()
    }
  }
  await reading
  lists += proxy.counts().kinds.LIST ?? 0
  for (const replica of replicas)
    await until('it has caught up', async () => (await replica.refresh()) === history.txid)
  for (const thread of threads) await check(thread)
  t.diagnostic(JSON.stringify({ states, txid: history.txid, lists, seconds: Math.round(seconds()), memory }))
  assert.ok(states >= threads.length)
  // Each of the two polls once per second; re-lists after deleted files add up to ten.
  assert.ok(lists < (SECONDS + 10) * replicas.length * 3, `${lists} LISTs in ${SECONDS} s`)
  const half = Math.floor(memory.length / 2)
  if (memory.length >= 8) {
    const mean = (list: number[]) => list.reduce((sum, each) => sum + each, 0) / list.length
    assert.ok(
      mean(memory.slice(half)) < mean(memory.slice(2, half)) * 1.25 + 30,
      `memory grows: ${memory.join(' ')} MiB`,
    )
  }
})
