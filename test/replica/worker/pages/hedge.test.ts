// Reads with a waiting reader, behind a proxy that delays one GET in every N: counted, never timed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { HedgedReads } from '../../../../src/replica/worker/pages/hedged-reads.js'
import { faultyS3 } from '../../../support/faulty-s3.js'
import { makeSource, openTestReplica } from '../../../support/replica.js'
import { s3Url } from '../../../support/s3.js'

/** Requests that are answered on command. */
class Store {
  readonly sent: { answer(value: string): void; fail(error: Error): void }[] = []
  readonly send = () =>
    new Promise<string>((resolve, reject) => {
      this.sent.push({ answer: resolve, fail: reject })
    })
}

/** Enough reads to determine which are slow. */
async function warmed(): Promise<HedgedReads> {
  const reads = new HedgedReads()
  for (let i = 0; i < 40; i++)
    await reads.read(
      async () => 'fast',
      () => true,
    )
  return reads
}

async function sent(store: Store, count: number): Promise<void> {
  while (store.sent.length < count) await turn()
}

test('a slow read request is sent a second time, and the first response counts', async () => {
  const reads = await warmed()
  const store = new Store()
  const result = reads.read(store.send, () => true)
  await sent(store, 2)
  store.sent[1]!.answer('second')
  assert.equal(await result, 'second')
  store.sent[0]!.answer('first')
  assert.deepEqual(reads.counts, { hedged: 1, hedgesWon: 1 })
})

test('if a read has two requests, either response is accepted, and the read fails only if both requests fail', async () => {
  const reads = await warmed()
  const store = new Store()
  const won = reads.read(store.send, () => true)
  await sent(store, 2)
  store.sent[1]!.fail(new Error('second'))
  store.sent[0]!.answer('first')
  assert.equal(await won, 'first')
  assert.deepEqual(reads.counts, { hedged: 1, hedgesWon: 0 })
})

test('a request that fails early is not sent a second time, because the client has already retried the request', async () => {
  const reads = await warmed()
  const store = new Store()
  const failed = reads.read(store.send, () => true)
  store.sent[0]!.fail(new Error('gone'))
  await assert.rejects(failed, /gone/)
  assert.equal(reads.counts.hedged, 0)
})

test('a request for which no reader waits is not sent a second time, and only a few of many slow requests are sent a second time', async () => {
  const reads = await warmed()
  const store = new Store()
  const alone = reads.read(store.send, () => false)
  // A read for which someone waits is sent again later than that one would have been.
  const other = new Store()
  const wanted = reads.read(other.send, () => true)
  await sent(other, 2)
  assert.equal(store.sent.length, 1)
  for (const { sent } of [store, other]) sent[0]!.answer('done')
  await Promise.all([alone, wanted])

  const many = Array.from({ length: 200 }, () => new Store())
  const all = many.map((each) => reads.read(each.send, () => true))
  const last = new Store()
  const marker = reads.read(last.send, () => {
    for (const { sent } of [...many, last]) sent[0]!.answer('late')
    return false
  })
  await Promise.all([...all, marker])
  const again = many.filter((each) => each.sent.length > 1).length
  assert.ok(again >= 1 && again <= 13, `${again} of 200`)
})

for (const hedge of [true, false]) {
  // Second requests are earned by 25 others; a busy machine makes some of them go out for nothing.
  test(`if one GET in 40 is delayed, ${hedge ? 'no reader waits for the delayed GET' : 'a reader without hedge sends no request twice'}`, async (t) => {
    const { proxy, bucket } = await faultyS3(t)
    const { history } = await makeSource(t, { url: s3Url(bucket, 'hedge.db') })
    await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, a);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
      INSERT INTO t SELECT i, hex(randomblob(1000)) FROM n`)
    const options = { readAhead: 'none', pollInterval: '1h', hedge } as const
    const replica = await openTestReplica(t, s3Url(bucket, 'hedge.db', proxy.url), options)
    let gets = 0
    const slow = proxy.fault(
      { type: 'slowStart', ms: hedge ? 10_000 : 500 },
      { match: ({ kind }) => kind === 'GET' && ++gets % 40 === 0 && gets > 50, times: hedge ? 1000 : 1 },
    )
    // Each row lies in a separate leaf page.
    await replica.prefetch(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${hedge ? 200 : 120})
      SELECT sum(length(a)) FROM n JOIN t ON t.id = (n.i * 331) % 900 + 1`)
    const { fetch } = await replica.workerStats()
    assert.ok(slow.hits > 0)
    if (!hedge) return assert.equal(fetch.hedged, 0)
    assert.ok(fetch.hedgesWon >= slow.hits - 1, `${fetch.hedgesWon} of ${slow.hits} slow ones overtaken`)
    assert.ok(
      fetch.hedged <= 0.06 * fetch.requests + 1,
      `${fetch.hedged} second requests, ${fetch.requests} first ones`,
    )
  })
}
