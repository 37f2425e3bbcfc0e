import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { capturedClient } from '../../support/captured-s3.js'
import { collect } from '../../support/collect.js'
import { s3Bucket, s3Sdk, s3Url } from '../../support/s3.js'
import { RGW_KMS_KEY } from '../../support/servers/rgw.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const KEYS = { accessKeyId: 'K', secretAccessKey: 'S' }

test('small and multipart objects that were encrypted with a customer key can be read only with this key', async (t) => {
  const bucket = await s3Bucket(t)
  const key = randomBytes(32).toString('base64')
  const keyFile = path.join(temporaryDirectory(t), 'key')
  writeFileSync(keyFile, `${key}\n`)
  const url = s3Url(bucket)
  const client = await openReplicaClient(url, { s3: { sseCustomerKey: key, sseCustomerAlgorithm: 'AES256' } })
  const same = await openReplicaClient(`${url}&sse-customer-key-path=${encodeURIComponent(keyFile)}`)
  const plain = await openReplicaClient(url)
  const wrong = await openReplicaClient(url, { s3: { sseCustomerKey: randomBytes(32).toString('base64') } })
  t.after(() => Promise.all([client, same, plain, wrong].map((each) => each.close())))
  for (const [txid, size] of [
    [1, 100_000],
    [2, 11 * 2 ** 20],
  ] as const) {
    const body = randomBytes(size)
    await client.write(file(txid), body, { timestamp: 7, createOnly: true })
    assert.deepEqual(Buffer.concat(await collect(same.stream(file(txid)))), body)
    assert.deepEqual(Buffer.from((await same.read(file(txid), { suffix: 1000 })).data), body.subarray(-1000))
    assert.equal((await same.stat(file(txid))).createdAt, 7)
    for (const other of [plain, wrong]) {
      await assert.rejects(other.read(file(txid), { offset: 0 }), (error) => {
        assert.ok(isLitestreamError(error) && error.code !== 'UNAVAILABLE', String(error))
        assert.ok(!`${error.stack}${JSON.stringify(error)}`.includes(key))
        return true
      })
    }
  }
  // The lease is read and written with it too.
  const tag = await client.putObject('lock.json', Buffer.from('{}'), null)
  assert.equal((await same.getObject('lock.json'))?.tag, tag)
})

test('the S3 server encrypts objects with the configured KMS key', async (t) => {
  const bucket = await s3Bucket(t)
  const client = await openReplicaClient(`${s3Url(bucket)}&sse-kms-key-id=${RGW_KMS_KEY}`)
  t.after(() => client.close())
  for (const [txid, size] of [
    [1, 1000],
    [2, 6 * 2 ** 20],
  ] as const) {
    const body = randomBytes(size)
    await client.write(file(txid), body, { timestamp: 1 })
    const Key = `app.db/0000/000000000000000${txid}-000000000000000${txid}.ltx`
    const head = await s3Sdk().send(new HeadObjectCommand({ Bucket: bucket, Key }))
    assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId], ['aws:kms', RGW_KMS_KEY])
    assert.deepEqual(Buffer.concat(await collect(client.stream(file(txid)))), body)
  }
})

test('storage class and encryption are set in the request that creates the object, and the customer key in every request', async () => {
  const sse = { sseCustomerKey: randomBytes(32).toString('base64') }
  const large = Buffer.alloc(6 * 2 ** 20)
  for (const settings of [
    { storageClass: 'STANDARD_IA', sseKmsKeyId: 'kms' },
    { storageClass: 'GLACIER_IR', ...sse },
  ]) {
    const { client, sent } = await capturedClient('s3://bucket/p?endpoint=https://host', { ...KEYS, ...settings })
    await client.write(file(1), Buffer.from('x'), { timestamp: 1 })
    await client.write(file(2), large, { timestamp: 1 })
    const making = sent.filter(
      ({ method, query }) => 'uploads' in query || (method === 'PUT' && !('partNumber' in query)),
    )
    assert.equal(making.length, 2)
    for (const { headers } of making) {
      assert.equal(headers['x-amz-storage-class'], settings.storageClass)
      assert.equal(
        headers['x-amz-server-side-encryption-aws-kms-key-id'],
        'sseKmsKeyId' in settings ? 'kms' : undefined,
      )
    }
    await client.stat(file(1))
    const ownKeyed = sent.filter(({ headers }) => headers['x-amz-server-side-encryption-customer-key-md5'])
    assert.equal(ownKeyed.length, 'sseCustomerKey' in settings ? sent.length : 0)
  }
})

test('incompatible encryption settings, and settings that would reveal the key, are refused before the first request', async (t) => {
  const key = randomBytes(32).toString('base64')
  const short = path.join(temporaryDirectory(t), 'short')
  writeFileSync(short, 'c2hvcnQ=')
  for (const [settings, message] of [
    [{ sseCustomerKey: key, sseKmsKeyId: 'kms' }, /cannot be combined/],
    [{ sseCustomerKey: 'c2hvcnQ=' }, /5 bytes, not 32/],
    [{ sseCustomerKeyPath: short }, /5 bytes, not 32/],
    [{ sseCustomerKeyPath: `${short}-not` }, /short-not cannot be read/],
    [{ sseCustomerKey: key, sseCustomerAlgorithm: 'DES' }, /"DES"/],
    [{ sseCustomerAlgorithm: 'AES256' }, /no key/],
    [{ sseCustomerKey: key, endpoint: 'http://minio.example.com' }, /plain http/],
  ] as const) {
    await assert.rejects(capturedClient('s3://bucket/p?endpoint=https://host', { ...KEYS, ...settings }), (error) => {
      assert.ok(isLitestreamError(error, 'INVALID_URL') && error.hint, String(error))
      assert.match(error.message, message)
      assert.ok(!error.message.includes(key))
      return true
    })
  }
})
