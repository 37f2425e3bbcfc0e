import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mock, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import type { S3ReplicaClient } from '../../../src/storage/s3/s3-client.js'
import { collect } from '../../support/collect.js'
import { INTERNAL_ERROR, SLOW_DOWN } from '../../support/faults.js'
import { faultyS3 } from '../../support/faulty-s3.js'
import { until } from '../../support/until.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const body = randomBytes(1_000_000)
const write = (client: S3ReplicaClient, txid = 1) => client.write(file(txid), body, { timestamp: txid })
const always = { times: Number.POSITIVE_INFINITY }
const code = (expected: string) => (error: unknown) => isLitestreamError(error) && error.code === expected

/** Waits are any part of the longest one; here they are this part. */
function jitter(t: { after(step: () => void): void }, part: number): void {
  const random = mock.method(Math, 'random', () => part)
  t.after(() => random.mock.restore())
}

test('if a store never responds, every operation ends at the deadline for the first byte of a response', async (t) => {
  jitter(t, 0)
  const { client, proxy } = await faultyS3(t, { attempts: 2, firstByteTimeout: 500 })
  const operations: [string, () => Promise<unknown>][] = [
    ['GET', () => client.read(file(1), { offset: 0 })],
    ['LIST', () => collect(client.list(0))],
    ['HEAD', () => client.stat(file(1))],
    ['DELETE', () => client.delete([file(1)])],
    ['PUT', () => client.write(file(1), Buffer.from('x'), { timestamp: 1 })],
  ]
  const hole = proxy.fault({ type: 'blackhole' }, always)
  for (const [operation, attempt] of operations) {
    proxy.reset()
    await assert.rejects(attempt(), code('TIMEOUT'), operation)
    assert.equal(proxy.counts().requests, 2, operation)
    assert.equal(client.stats()[operation as 'GET'].errors, 2, operation)
  }
  hole.remove()
  proxy.fault({ type: 'blackhole' })
  await write(client)
  proxy.fault({ type: 'blackhole' })
  assert.deepEqual(Buffer.from((await client.read(file(1), { offset: 0 })).data), body)
})

test('if another writer has created a file of equal size and time, a repeated write does not take this file for its own', async (t) => {
  jitter(t, 0)
  const { client, proxy } = await faultyS3(t)
  await client.write(file(1), Buffer.from('theirs'), { timestamp: 5_000, createOnly: true })
  proxy.fault({ type: 'refuse' }, { match: ({ method }) => method === 'PUT' })
  const write = client.write(file(1), Buffer.from('ours 1'), { timestamp: 5_000, createOnly: true })
  await assert.rejects(write, code('PRECONDITION_FAILED'))
  proxy.fault({ type: 'loseReply' }, { match: ({ method }) => method === 'PUT' })
  await client.write(file(2), Buffer.from('ours 2'), { timestamp: 5_000, createOnly: true })
})

test('a stalled connection is abandoned, and the rest of the object is read over another connection', async (t) => {
  const { client, proxy } = await faultyS3(t, { idleTimeout: 1000 })
  await write(client)
  proxy.reset()
  proxy.fault({ type: 'trickle', bytes: 300_000, ms: 3000 })
  assert.deepEqual(Buffer.concat(await collect(client.stream(file(1)))), body)
  const ranges = proxy.seen().map(({ headers }) => headers.range)
  assert.equal(ranges.length, 2)
  assert.match(String(ranges[1]), /^bytes=[1-9][0-9]*-999999$/)
})

test('the client waits for a slow store as long as the client receives bytes', async (t) => {
  const { client, proxy } = await faultyS3(t, { firstByteTimeout: 1500, idleTimeout: 1500, budget: 1500 })
  await write(client)
  proxy.reset()
  proxy.fault({ type: 'trickle', bytes: 10_000, ms: 20 }) // two seconds, all in all
  assert.deepEqual(Buffer.from((await client.read(file(1), { offset: 0 })).data), body)
  assert.equal(proxy.counts().requests, 1)
})

test('responses that break off, and short but well-formed responses, are continued, and are never taken for the whole object', async (t) => {
  jitter(t, 0)
  const { client, proxy } = await faultyS3(t)
  await write(client)
  for (const fault of [
    { type: 'cut', bytes: 0 },
    { type: 'cut', bytes: 300_000 },
    { type: 'shorten', bytes: 1 },
    { type: 'shorten', bytes: 400_000 },
    { type: 'shorten', bytes: 2_000_000 },
    { type: 'refuse' },
  ] as const) {
    for (const range of [{ offset: 0 }, { suffix: 900_000 }, { offset: 1000, length: 900_000 }]) {
      proxy.reset()
      proxy.fault(fault)
      const { data, fileSize } = await client.read(file(1), range)
      const end = 'length' in range ? 901_000 : 1_000_000
      const start = 'suffix' in range ? 100_000 : range.offset
      assert.ok(body.subarray(start, end).equals(data), `${JSON.stringify(fault)} ${JSON.stringify(range)}`)
      assert.equal(fileSize, 1_000_000)
      assert.equal(proxy.counts().requests, 2, JSON.stringify(fault))
    }
  }
  for (const fault of [
    { type: 'cut', bytes: 200 },
    { type: 'shorten', bytes: 30 },
    { type: 'shorten', bytes: 10_000 },
    { type: 'refuse' },
  ] as const) {
    proxy.fault(fault)
    assert.equal((await collect(client.list(0))).length, 1, `a listing after ${JSON.stringify(fault)}`)
  }
})

test('if an object is replaced during a read, the read does not mix the bytes of the old and the new object', async (t) => {
  const { client, proxy } = await faultyS3(t)
  await write(client)
  const stream = client.stream(file(1))[Symbol.asyncIterator]()
  proxy.fault({ type: 'cut', bytes: 300_000 }) // the second request below finds another object
  await stream.next()
  await client.write(file(1), randomBytes(1_000_000), { timestamp: 2 })
  await assert.rejects(async () => {
    while (!(await stream.next()).done);
  }, code('NOT_FOUND'))
})

test('after many refusals, full jitter, the maximum number of attempts and a budget limit the retries, and the last error is thrown', async (t) => {
  const { client, proxy } = await faultyS3(t, { attempts: 7, budget: 1200 })
  await write(client)
  const storm = proxy.fault(SLOW_DOWN, always)
  const attempts = async () => {
    proxy.reset()
    await assert.rejects(client.read(file(1), { offset: 0 }), code('THROTTLED'))
    return proxy.counts().requests
  }
  const random = mock.method(Math, 'random', () => 0)
  t.after(() => random.mock.restore())
  assert.equal(await attempts(), 7, 'without a wait the attempts are the bound')
  // The first wait, of half a second, fits into the budget, the second one, of a second, does not.
  random.mock.mockImplementation(() => 0.999)
  assert.equal(await attempts(), 2, 'with the longest waits the budget is')
  assert.ok(random.mock.callCount() > 0)
  storm.remove()
  // What the store asks for counts instead; more than the budget is not waited for.
  const asking = proxy.fault({ ...SLOW_DOWN, headers: { 'retry-after': '3600' } } as typeof SLOW_DOWN, always)
  assert.equal(await attempts(), 1)
  asking.remove()
  random.mock.mockImplementation(() => 0)
  for (let i = 0; i < 5; i++) proxy.fault([SLOW_DOWN, INTERNAL_ERROR][i % 2]!)
  proxy.reset()
  assert.deepEqual(Buffer.from((await client.read(file(1), { offset: 0 })).data), body)
  assert.equal(proxy.counts().requests, 6)
  proxy.fault({ type: 'status', status: 408, code: 'RequestTimeout' })
  proxy.fault({ type: 'status', status: 429, code: 'TooManyRequests' })
  await write(client, 2)
  assert.equal(client.stats().PUT.retries, 2)
})

test('an AbortSignal ends a request that waits for the response, waits for a retry or streams the body, and no retry follows', async (t) => {
  const { client, proxy } = await faultyS3(t)
  await write(client)
  const aborted = async (what: string, operation: (signal: AbortSignal) => Promise<unknown>, begun: () => boolean) => {
    proxy.reset()
    const controller = new AbortController()
    const result = assert.rejects(operation(controller.signal), code('ABORTED'), what)
    await until(`${what} has begun`, begun)
    controller.abort()
    await result
    assert.equal(proxy.counts().requests, 1, what)
  }
  const one = () => proxy.counts().requests === 1
  const hole = proxy.fault({ type: 'blackhole' }, always)
  await aborted('a list', (signal) => collect(client.list(0, { signal })), one)
  await aborted('a read', (signal) => client.read(file(1), { offset: 0 }, { signal }), one)
  await aborted('a write', (signal) => client.write(file(2), body, { timestamp: 1, signal }), one)
  hole.remove()
  const storm = proxy.fault({ ...SLOW_DOWN, headers: { 'retry-after': '30' } } as typeof SLOW_DOWN, always)
  const retries = client.stats().HEAD.retries
  await aborted(
    'a stat',
    (signal) => client.stat(file(1), { signal }),
    () => client.stats().HEAD.retries > retries,
  )
  storm.remove()
  proxy.fault({ type: 'trickle', bytes: 100_000, ms: 1000 })
  let chunks = 0
  await aborted(
    'a stream',
    async (signal) => {
      for await (const _ of client.stream(file(1), { signal })) chunks++
    },
    () => chunks > 0,
  )
})

test('if the response to a create-only write is lost, the writer distinguishes its own object from another writer’s object', async (t) => {
  jitter(t, 0)
  const { client, proxy } = await faultyS3(t)
  const create = (txid: number, timestamp: number) => client.write(file(txid), body, { timestamp, createOnly: true })
  await client.guarantees.ask()
  await client.guarantees.idle()
  proxy.reset()
  proxy.fault({ type: 'loseReply' })
  await create(1, 1)
  assert.equal(proxy.counts().kinds.PUT, 2)
  proxy.fault({ type: 'loseReply' })
  await assert.rejects(create(1, 2), code('PRECONDITION_FAILED'))
  assert.equal((await client.stat(file(1))).createdAt, 1)
  proxy.fault({ type: 'loseReply' })
  await client.delete([file(1)])
  await assert.rejects(client.stat(file(1)), code('NOT_FOUND'))
})
