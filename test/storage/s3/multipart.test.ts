import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mock, test } from 'node:test'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { isLitestreamError } from '../../../src/errors.js'
import { MAX_PARTS, partSizeOf } from '../../../src/storage/s3/part-sizes.js'
import { collect } from '../../support/collect.js'
import type { SeenRequest } from '../../support/fault-proxy.js'
import { type Fault, INTERNAL_ERROR } from '../../support/faults.js'
import { faultyS3 } from '../../support/faulty-s3.js'
import { s3Sdk } from '../../support/s3.js'
import { until } from '../../support/until.js'

const MiB = 2 ** 20
const GiB = 2 ** 30
const TiB = 2 ** 40
const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const body = randomBytes(16 * MiB)
const part = (number: number) => (request: SeenRequest) => request.url.includes(`partNumber=${number}`)
const completion = ({ method, url }: SeenRequest) => method === 'POST' && url.includes('uploadId=')
const always = { times: Number.POSITIVE_INFINITY }

async function* pieces(onPiece: (at: number) => unknown = () => {}): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += MiB) {
    await onPiece(at)
    yield body.subarray(at, at + MiB)
  }
}

async function uploads(bucket: string): Promise<number> {
  return ((await s3Sdk().send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []).length
}

function noWaits(t: { after(step: () => void): void }): void {
  const random = mock.method(Math, 'random', () => 0)
  t.after(() => random.mock.restore())
}

test('after a part fails permanently, or the upload’s AbortSignal is aborted, neither an object nor an unfinished upload remains', async (t) => {
  noWaits(t)
  const { bucket, client, proxy } = await faultyS3(t, { attempts: 2 })
  const failures: [Fault, (request: SeenRequest) => boolean, string][] = [
    [{ type: 'status', status: 403, code: 'AccessDenied' }, part(2), 'ACCESS_DENIED'],
    [INTERNAL_ERROR, part(3), 'UNAVAILABLE'],
    [INTERNAL_ERROR, completion, 'UNAVAILABLE'],
    [{ type: 'cutUpload', bytes: MiB }, part(1), 'UNAVAILABLE'],
  ]
  for (const [fault, match, code] of failures) {
    const rule = proxy.fault(fault, { match, ...always })
    for (const source of [body, pieces()]) {
      await assert.rejects(client.write(file(1), source, { timestamp: 1 }), (error) => {
        assert.ok(isLitestreamError(error) && error.code === code, `${JSON.stringify(fault)}: ${String(error)}`)
        return true
      })
    }
    assert.ok(rule.hits > 0)
    rule.remove()
  }
  const controller = new AbortController()
  const source = pieces((at) => at === 9 * MiB && controller.abort())
  await assert.rejects(client.write(file(1), source, { timestamp: 1, signal: controller.signal }), (error) =>
    isLitestreamError(error, 'ABORTED'),
  )
  assert.equal(await uploads(bucket), 0)
  assert.deepEqual(await collect(client.list(0)), [])
})

test('a repeated upload sends only the parts that failed', async (t) => {
  noWaits(t)
  const { client, proxy } = await faultyS3(t)
  proxy.fault(INTERNAL_ERROR, { match: part(2) })
  proxy.fault({ type: 'cutUpload', bytes: MiB }, { match: part(3) })
  proxy.fault({ type: 'loseReply' }, { match: part(4) })
  await client.write(file(1), pieces(), { timestamp: 1 })
  assert.equal(client.stats().PUT.retries, 3)
  assert.equal(proxy.seen().filter(({ url }) => url.includes('partNumber=')).length, 4 + 3)
  assert.deepEqual(Buffer.concat(await collect(client.stream(file(1)))), body)
})

test('if the response to the completion of an upload was lost, the client recognizes its completed upload', async (t) => {
  noWaits(t)
  const { bucket, client, proxy } = await faultyS3(t)
  for (const createOnly of [false, true]) {
    const txid = createOnly ? 2 : 1
    const rule = proxy.fault({ type: 'loseReply' }, { match: completion })
    await client.write(file(txid), body, { timestamp: 3, createOnly })
    assert.equal(rule.hits, 1)
    assert.deepEqual(Buffer.concat(await collect(client.stream(file(txid)))), body)
  }
  await assert.rejects(client.write(file(2), body, { timestamp: 4, createOnly: true }), (error) =>
    isLitestreamError(error, 'PRECONDITION_FAILED'),
  )
  assert.equal(await uploads(bucket), 0)
})

test('if the server restarts during an upload, the upload continues when the server is back', async (t) => {
  const { bucket, client, proxy } = await faultyS3(t, { attempts: 1000 })
  let died: Promise<void> | undefined
  const writing = client.write(
    file(1),
    pieces((at) => {
      if (at === 12 * MiB) died = proxy.down()
      return died
    }),
    { timestamp: 1, createOnly: true },
  )
  await until('the writer has noticed', () => client.stats().PUT.retries > 2)
  await proxy.up()
  await writing
  assert.deepEqual(Buffer.concat(await collect(client.stream(file(1)))), body)
  assert.equal(await uploads(bucket), 0)
})

test('with growing part sizes, an object can have 4.8 TiB, but with equal part sizes an upload fails after 10,000 parts', () => {
  const total = (size: number, equal: boolean) => {
    let parts = 0
    for (let sent = 0; sent < size; ) sent += partSizeOf(++parts, 5 * MiB, equal)
    return parts
  }
  assert.equal(total(5 * GiB, true), 1024)
  assert.equal(total(5 * GiB, false), 1000 + 12)
  assert.ok(total(4.8 * TiB, false) <= MAX_PARTS)
  assert.equal(total(MAX_PARTS * 5 * MiB, true), MAX_PARTS)
  assert.throws(
    () => total(MAX_PARTS * 5 * MiB + 1, true),
    (error) => isLitestreamError(error, 'STORAGE_FAILED') && /part-size/.test(error.hint ?? ''),
  )
  for (const number of [1, 1000, 1001, 5001, MAX_PARTS]) {
    for (const size of [5 * MiB, 64 * MiB, 5 * GiB]) assert.ok(partSizeOf(number, size, false) <= 5 * GiB)
  }
  assert.deepEqual(
    [1, 1000, 1001, 2001].map((number) => partSizeOf(number, 5 * MiB, false) / MiB),
    [5, 5, 10, 20],
  )
})
