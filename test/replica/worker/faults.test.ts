import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { native } from '../../../src/native/addon.js'
import type { FaultProxy } from '../../support/fault-proxy.js'
import { makeProxiedSource } from '../../support/proxied-source.js'
import { Random } from '../../support/random.js'
import { ReaderThread } from '../../support/reader-thread.js'
import { openTestReplica } from '../../support/replica.js'
import { until } from '../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`
const DENIED = { type: 'status', status: 403, code: 'AccessDenied' } as const

async function fixture(t: TestContext) {
  const source = await makeProxiedSource(t)
  await source.history.commit(SEED)
  return source
}

test('while a store denies requests, the lag grows, the stale event is emitted, and reads fail after max_stale until the store accepts requests', async (t) => {
  const { history, proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url, { maxStale: 3000 })
  const events: string[] = []
  replica.on('stale', (error) => events.push(error.code))
  replica.on('error', (error) => events.push(error.code))
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 0)
  const rule = proxy.fault(DENIED, { times: Number.POSITIVE_INFINITY })
  await history.commit('UPDATE t SET n = 1')
  await until('lag has grown', () => replica.lagMs > 1000)
  await until('it is stale', () => events.includes('REPLICA_STALE'))
  assert.ok(events.includes('ACCESS_DENIED'))
  await assert.rejects(
    db.value('SELECT sum(n) FROM t'),
    /disk I\/O error: REPLICA_STALE: the last successful poll began \d+ ms ago/,
  )
  assert.ok(replica.lagMs > 3000)
  rule.remove()
  await until('it has caught up', () => replica.txid === 2)
  // The new view comes before the word that the store was seen.
  await until('lag is small again', () => replica.lagMs < 2000)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 3000)
})

test('a replica becomes stale not only if its store denies requests, but also if its store does not respond', async (t) => {
  const { proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url, { maxStale: 3000 })
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 0)
  proxy.fault({ type: 'blackhole' }, { times: Number.POSITIVE_INFINITY })
  let stale = false
  replica.on('stale', () => {
    stale = true
  })
  await until('it is stale', () => stale)
  await assert.rejects(db.value('SELECT sum(n) FROM t'), /disk I\/O error: REPLICA_STALE/)
})

let replicaWorker: Worker | undefined
process.on('worker', (worker) => {
  if (!native.workerAlive()) replicaWorker = worker
})

/** A query whose read waits for a reply that never comes, and the answer to it. */
async function blackholedRead(t: TestContext, proxy: FaultProxy, uri: string) {
  const reader = await ReaderThread.open(t, uri)
  const rule = proxy.fault({ type: 'blackhole' }, { match: (request) => request.kind === 'GET', times: 1000 })
  const answer = reader.ask('SELECT count(v) FROM t')
  await until('the read waits', () => rule.hits > 0)
  rule.remove()
  return { reader, answer }
}

test('if the worker is killed during a read, the read fails immediately, the process survives, and the next read works', async (t) => {
  const { proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url, { readTimeout: 600_000 })
  const { reader, answer } = await blackholedRead(t, proxy, replica.uri)
  const killed = replicaWorker
  await killed?.terminate()
  const failed = await answer
  assert.ok('code' in failed && failed.code === 'SQLITE_IOERR_READ')
  assert.match(failed.why, /^WORKER_EXITED: /)
  await until('there is another worker', () => native.workerAlive() && replicaWorker !== killed)
  await until('it answers', async () => (await replica.refresh()) === 1)
  assert.equal(await reader.value('SELECT count(v) FROM t'), 3000)
})

test('if a page does not arrive within read_timeout, the error is PAGE_TIMEOUT', async (t) => {
  const { proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url, { readTimeout: 200 })
  const failed = await (await blackholedRead(t, proxy, replica.uri)).answer
  assert.ok('code' in failed && failed.code === 'SQLITE_IOERR_READ')
  assert.match(failed.why, /^PAGE_TIMEOUT: page \d+ did not arrive in time/)
})

test('if a response is damaged or has a wrong length, the range is requested again, and the file is not reported as damaged', async (t) => {
  const { proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url)
  const pages = (request: { kind: string }) => request.kind === 'GET'
  const rule = proxy.fault({ type: 'corrupt', at: 3 }, { match: pages, times: 1 })
  const cut = proxy.fault({ type: 'cut', bytes: 1000 }, { match: pages, times: 1 })
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT count(v) FROM t'), 3000)
  assert.equal(await db.value('PRAGMA integrity_check'), 'ok')
  assert.equal(rule.hits, 1)
  assert.equal(cut.hits, 1)
})

test('after the store is killed and restarted, open connections continue to work', async (t) => {
  const { history, proxy, url } = await fixture(t)
  const replica = await openTestReplica(t, url, { readTimeout: 5000 })
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT n FROM t WHERE id = 1'), 0)
  await proxy.down()
  await history.commit('UPDATE t SET n = 1')
  assert.equal(await db.value('SELECT n FROM t WHERE id = 1'), 0)
  await proxy.up()
  await until('it has caught up', () => replica.txid === 2)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 3000)
  assert.equal(await db.value('PRAGMA integrity_check'), 'ok')
})

test('if 5 % of the responses fail and 5 % are truncated, every query returns the right result or an error', async (t) => {
  const { history, proxy, url } = await fixture(t)
  const seed = Number(process.env.FAULT_SEED ?? Math.floor(Math.random() * 2 ** 32))
  t.diagnostic(`FAULT_SEED=${seed}`)
  const random = new Random(seed)
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096, readTimeout: 10_000 })
  const always = { times: Number.POSITIVE_INFINITY }
  proxy.fault({ type: 'status', status: 500, code: 'InternalError' }, { ...always, match: () => random.chance(0.05) })
  proxy.fault({ type: 'cut', bytes: 700 }, { ...always, match: () => random.chance(0.05) })
  const db = await ReaderThread.open(t, replica.uri, ['PRAGMA cache_size=10'])
  let answers = 0
  for (let n = 1; n <= 15; n++) {
    await history.commit(`UPDATE t SET n = ${n} WHERE id % ${(n % 7) + 1} = 0`)
    await replica.refresh()
    const sums = history.db.prepare('SELECT sum(n) FROM t').pluck().get()
    const answer = await db.ask('SELECT count(v), sum(n), litestream_txid() FROM t')
    if ('code' in answer) {
      assert.equal(answer.code, 'SQLITE_IOERR_READ')
      continue
    }
    const [count, sum, txid] = answer.rows[0]
    assert.equal(count, 3000)
    if (Number.parseInt(String(txid), 16) !== history.txid) continue
    assert.equal(sum, sums)
    answers++
  }
  assert.ok(answers >= 8, `${answers} answers of 15`)
})
