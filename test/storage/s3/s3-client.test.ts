import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { HeadObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { collect } from '../../support/collect.js'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { INTERNAL_ERROR, SLOW_DOWN } from '../../support/faults.js'
import { s3Bucket, s3Sdk, s3Server, s3Url } from '../../support/s3.js'

const file = (minTxid: number, maxTxid = minTxid, level = 0) => ({ level, minTxid, maxTxid })

test("the objects of a replica have Litestream's keys, and the client reads ranges, suffixes and streams", async (t) => {
  const bucket = await s3Bucket(t)
  const client = await openReplicaClient(s3Url(bucket, 'some dir/app ü.db'))
  const body = randomBytes(100_000)
  await client.write(file(1, 5, 9), body, { timestamp: 1_700_000_000_500 })
  const head = await s3Sdk().send(
    new HeadObjectCommand({ Bucket: bucket, Key: 'some dir/app ü.db/0009/0000000000000001-0000000000000005.ltx' }),
  )
  assert.equal(head.Metadata?.['litestream-timestamp'], '2023-11-14T22:13:20.5Z')
  const read = async (range: Parameters<typeof client.read>[1]) =>
    Buffer.from((await client.read(file(1, 5, 9), range)).data)
  assert.deepEqual(await read({ offset: 0 }), body)
  assert.deepEqual(await read({ offset: 10, length: 20 }), body.subarray(10, 30))
  assert.deepEqual(await read({ suffix: 24 }), body.subarray(-24))
  assert.deepEqual(await read({ suffix: 200_000 }), body)
  assert.deepEqual(await read({ offset: 100_000, length: 0 }), Buffer.alloc(0))
  await assert.rejects(read({ offset: 99_990, length: 20 }), (error) => isLitestreamError(error, 'INVALID_ARGUMENT'))
  const { offset, fileSize } = await client.read(file(1, 5, 9), { suffix: 10 })
  assert.deepEqual([offset, fileSize], [99_990, 100_000])
  assert.deepEqual(Buffer.concat(await collect(client.stream(file(1, 5, 9), { offset: 7 }))), body.subarray(7))
  assert.deepEqual(await collect(client.stream(file(1, 5, 9), { offset: 100_000 })), [])
  assert.equal((await client.stat(file(1, 5, 9))).createdAt, 1_700_000_000_500)
  await client.close()
})

test("every form of an S3 URL gives Litestream's object keys", async (t) => {
  const bucket = await s3Bucket(t)
  for (const [form, key] of [
    ['', './0000/'],
    ['/', '/0000/'],
    ['/db', 'db/0000/'],
    ['/a/b/', 'a/b/0000/'],
  ]) {
    const client = await openReplicaClient(s3Url(bucket).replace('/app.db?', `${form}?`))
    await client.write(file(3), Buffer.from('x'), { timestamp: 1 })
    const { Contents = [] } = await s3Sdk().send(new ListObjectsV2Command({ Bucket: bucket, Prefix: key }))
    assert.deepEqual(
      Contents.map(({ Key }) => Key),
      [`${key}0000000000000003-0000000000000003.ltx`],
    )
    assert.equal((await collect(client.list(0))).length, 1)
    await client.delete([file(3)])
    assert.equal((await collect(client.list(0))).length, 0)
    await client.close()
  }
})

test('a listing begins at a TXID and requests further pages on demand, and an error is not taken for an empty listing', async (t) => {
  const bucket = await s3Bucket(t)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  const client = await openReplicaClient(s3Url(bucket, 'app.db', proxy.url))
  assert.deepEqual(await collect(client.list(0)), [])
  for (let first = 1; first <= 1100; first += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.write(file(first + i), Buffer.from('x'), { timestamp: 1 })),
    )
  }
  proxy.reset()
  assert.deepEqual(
    (await collect(client.list(0, { fromTxid: 1099 }))).map(({ minTxid }) => minTxid),
    [1099, 1100],
  )
  assert.equal(proxy.counts().kinds.LIST, 1)
  for await (const { minTxid } of client.list(0)) if (minTxid === 900) break
  assert.equal(proxy.counts().kinds.LIST, 2, 'the second thousand is asked for only when it is wanted')
  assert.equal((await collect(client.list(0))).length, 1100)
  const absent = await openReplicaClient(s3Url(`${bucket}-not`))
  await assert.rejects(
    collect(absent.list(0)),
    (error) => isLitestreamError(error, 'NOT_FOUND') && /bucket/.test(error.hint ?? ''),
  )
  await client.delete((await collect(client.list(0))) as never)
  assert.deepEqual(await collect(client.list(0)), [])
  await client.close()
  await absent.close()
})

test('if several writers create one name, exactly one writer succeeds', async (t) => {
  const client = await openReplicaClient(s3Url(await s3Bucket(t)))
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, (_, i) =>
      client.write(file(1), Buffer.from(`${i}`), { timestamp: i, createOnly: true }),
    ),
  )
  const lost = results.filter((result) => result.status === 'rejected')
  assert.equal(lost.length, 11)
  for (const { reason } of lost) assert.ok(isLitestreamError(reason, 'PRECONDITION_FAILED'), reason)
  await client.close()
})

test('a file above the part size is uploaded in parts, even from a stream, and a failed upload leaves neither an object nor parts', async (t) => {
  const bucket = await s3Bucket(t)
  const client = await openReplicaClient(s3Url(bucket))
  const body = randomBytes(12 * 2 ** 20 + 1234)
  const stream = (async function* () {
    for (let i = 0; i < body.length; i += 300_000) yield body.subarray(i, i + 300_000)
  })()
  await client.write(file(1), stream, { timestamp: 5, createOnly: true })
  await client.write(file(2), body, { timestamp: 5 })
  for (const txid of [1, 2]) assert.deepEqual(Buffer.concat(await collect(client.stream(file(txid)))), body)
  const probe = 3
  assert.equal(client.stats().PUT.requests, probe + 2 * (1 + 3 + 1))
  await assert.rejects(client.write(file(1), body, { timestamp: 6, createOnly: true }), (error) =>
    isLitestreamError(error, 'PRECONDITION_FAILED'),
  )
  const broken = (async function* () {
    yield body.subarray(0, 11 * 2 ** 20)
    throw new Error('the source broke')
  })()
  await assert.rejects(client.write(file(3), broken, { timestamp: 7 }), /the source broke/)
  const { Uploads = [] } = await s3Sdk().send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  assert.deepEqual(Uploads, [])
  assert.equal((await collect(client.list(0))).length, 2)
  await client.close()
})

test('temporary faults are retried, an interrupted body is continued, and refused requests throw immediately', async (t) => {
  const bucket = await s3Bucket(t)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  const client = await openReplicaClient(s3Url(bucket, 'app.db', proxy.url))
  const body = randomBytes(400_000)
  proxy.fault(SLOW_DOWN, { times: 1 })
  await client.write(file(1), body, { timestamp: 1, createOnly: true })
  // A write that succeeded although its response was lost is this client's own, not a lost race.
  proxy.fault({ type: 'loseReply' }, { times: 1 })
  await client.write(file(2), body, { timestamp: 2, createOnly: true })
  proxy.fault({ type: 'cut', bytes: 150_000 }, { times: 1 })
  proxy.fault(INTERNAL_ERROR, { times: 1 })
  assert.deepEqual(Buffer.from((await client.read(file(1), { suffix: 300_000 })).data), body.subarray(-300_000))
  proxy.fault({ type: 'cut', bytes: 150_000 }, { times: 1 })
  assert.deepEqual(Buffer.concat(await collect(client.stream(file(1)))), body)
  assert.ok(client.stats().GET.retries >= 2 && client.stats().PUT.retries === 2)
  await assert.rejects(client.read(file(9), { offset: 0 }), (error) => isLitestreamError(error, 'NOT_FOUND'))
  const wrong = await openReplicaClient(s3Url(bucket), { s3: { secretAccessKey: 'not the secret' } })
  await assert.rejects(
    collect(wrong.list(0)),
    (error) => isLitestreamError(error, 'ACCESS_DENIED') && !/not the secret/.test(JSON.stringify(error) + error.stack),
  )
  assert.equal(wrong.stats().LIST.requests, 1)
  await wrong.close()
  await client.close()
})

test('a small S3 object supports compare-and-set', async (t) => {
  const client = await openReplicaClient(s3Url(await s3Bucket(t)))
  const [a, b, c] = ['a', 'b', 'c'].map((text) => Buffer.from(text))
  const fenced = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')
  assert.equal(await client.getObject('lock.json'), undefined)
  const first = await client.putObject('lock.json', a, null)
  await assert.rejects(client.putObject('lock.json', b, null), fenced)
  const second = await client.putObject('lock.json', b, first)
  await assert.rejects(client.putObject('lock.json', c, first), fenced)
  const there = await client.getObject('lock.json')
  assert.deepEqual([Buffer.from(there?.data ?? a).toString(), there?.tag], ['b', second])
  await assert.rejects(client.deleteObject('lock.json', first), fenced)
  await client.deleteObject('lock.json', second)
  assert.equal(await client.getObject('lock.json'), undefined)
  await client.close()
})
