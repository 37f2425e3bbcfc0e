import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import type { S3Settings } from '../../../src/storage/s3/settings.js'
import { type CapturedRequest, capturedClient, signedHeaders, signedScope } from '../../support/captured-s3.js'
import { collect } from '../../support/collect.js'

// What a service gets to see, by the requests that would go out. None of these hosts is reached.

for (const name of Object.keys(process.env)) if (/^(AWS|LITESTREAM)_/.test(name)) delete process.env[name]

const KEYS: S3Settings = { accessKeyId: 'AKID', secretAccessKey: 'SECRET' }
const file = (minTxid: number, maxTxid = minTxid, level = 0) => ({ level, minTxid, maxTxid })
const md5 = (data: Uint8Array) => createHash('md5').update(data).digest('base64')
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

async function listing(url: string, settings: S3Settings = {}): Promise<CapturedRequest> {
  const { client, sent } = await capturedClient(url, { ...KEYS, ...settings })
  await collect(client.list(0))
  assert.equal(sent.length, 1)
  return sent[0]!
}

/** scheme://host:port/path of the request, and the region it is signed for. */
function place(request: CapturedRequest): [string, string] {
  const port = request.port === undefined ? '' : `:${request.port}`
  const path = request.path.replace(/\/$/, '')
  return [`${request.protocol}//${request.hostname}${port}${path}`, signedScope(request).region]
}

test('every form of an S3 host and every endpoint gives requests with the right address and style, signed for the right region', async () => {
  const places: Record<string, [string, string]> = {
    's3://bucket/p?region=eu-west-1': ['https://bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1'],
    's3://my.bucket/p?region=eu-west-1': ['https://s3.eu-west-1.amazonaws.com/my.bucket', 'eu-west-1'],
    's3://bucket/p?region=eu-west-1&force-path-style=true': ['https://s3.eu-west-1.amazonaws.com/bucket', 'eu-west-1'],
    's3://bucket.s3.eu-west-1.amazonaws.com/p': ['https://bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1'],
    's3://bucket.s3.amazonaws.com/p?region=us-east-1': ['https://bucket.s3.us-east-1.amazonaws.com', 'us-east-1'],
    's3://bucket.nyc3.digitaloceanspaces.com/p': ['https://bucket.nyc3.digitaloceanspaces.com', 'nyc3'],
    's3://bucket.s3.us-west-002.backblazeb2.com/p': ['https://s3.us-west-002.backblazeb2.com/bucket', 'us-west-002'],
    's3://bucket.s3.filebase.com/p': ['https://s3.filebase.com/bucket', 'us-east-1'],
    's3://bucket.s3.fr-par.scw.cloud/p': ['https://bucket.s3.fr-par.scw.cloud', 'fr-par'],
    's3://bucket.localhost:9000/p': ['http://localhost:9000/bucket', 'us-east-1'],
    's3://bucket.minio.example.com:9000/p': ['http://minio.example.com:9000/bucket', 'us-east-1'],
    // An endpoint without a scheme: http on this machine and in private networks, https elsewhere.
    's3://bucket/p?endpoint=localhost:9000': ['http://localhost:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=127.0.0.1:9000': ['http://127.0.0.1:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=10.1.2.3': ['http://10.1.2.3/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=172.20.1.1:1': ['http://172.20.1.1:1/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=172.32.1.1:1': ['https://172.32.1.1:1/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=192.168.0.9:9000': ['http://192.168.0.9:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=nas.local:9000': ['http://nas.local:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=minio.example.com:9000': ['https://minio.example.com:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=http://minio.example.com:9000': ['http://minio.example.com:9000/bucket', 'us-east-1'],
    's3://bucket/p?endpoint=https://fsn1.your-objectstorage.com&region=fsn1': [
      'https://fsn1.your-objectstorage.com/bucket',
      'fsn1',
    ],
    's3://bucket/p?endpoint=https://x.supabase.co/storage/v1/s3': [
      'https://x.supabase.co/storage/v1/s3/bucket',
      'us-east-1',
    ],
    's3://bucket/p?endpoint=https://fra1.digitaloceanspaces.com&forcePathStyle=false': [
      'https://bucket.fra1.digitaloceanspaces.com',
      'fra1',
    ],
    's3://bucket/p?endpoint=https://t3.storage.dev&region=auto': ['https://t3.storage.dev/bucket', 'auto'],
    's3://arn:aws:s3:eu-central-1:123456789012:accesspoint/name/p': [
      'https://name-123456789012.s3-accesspoint.eu-central-1.amazonaws.com',
      'eu-central-1',
    ],
    's3://arn:aws:s3:eu-central-1:123456789012:accesspoint/name/p?region=us-east-1': [
      'https://name-123456789012.s3-accesspoint.eu-central-1.amazonaws.com',
      'eu-central-1',
    ],
  }
  for (const [url, expected] of Object.entries(places)) {
    const request = await listing(url)
    assert.deepEqual(place(request), expected, url)
    assert.equal(request.query.prefix, 'p/0000/', url)
  }
})

test('an S3 access point is never addressed in path style, and an invalid endpoint is refused', async () => {
  const arn = 's3://arn:aws:s3:eu-central-1:123456789012:accesspoint/name/p'
  for (const [url, settings] of [
    [`${arn}?force-path-style=true`, {}],
    [arn, { forcePathStyle: true }],
    ['s3://bucket/p?endpoint=https://', {}],
    ['s3://bucket/p?endpoint=no%20host', {}],
    ['s3://bucket/p?part-size=4MiB', {}],
    ['s3://bucket/p?part-size=6GiB', {}],
  ] as const) {
    await assert.rejects(
      listing(url, settings),
      (error) => isLitestreamError(error, 'INVALID_URL') && error.hint !== undefined,
      url,
    )
  }
})

test("a setting in the configuration takes precedence over the URL's setting, but an omitted setting does not", async () => {
  const url = 's3://URLKEY:x@bucket/p?region=eu-1&endpoint=localhost:1&forcePathStyle=false'
  const own = (settings: S3Settings) => capturedClient(url, settings)
  const first = await own({ region: undefined })
  await collect(first.client.list(0))
  assert.deepEqual(place(first.sent[0]!), ['http://bucket.localhost:1', 'eu-1'])
  assert.equal(signedScope(first.sent[0]!).key, 'URLKEY')
  const second = await own({ ...KEYS, region: 'eu-2', endpoint: 'https://host', forcePathStyle: true })
  await collect(second.client.list(0))
  assert.deepEqual(place(second.sent[0]!), ['https://host/bucket', 'eu-2'])
  assert.equal(signedScope(second.sent[0]!).key, 'AKID')
})

test('the client sends a body to a custom endpoint unchanged, with its length and signature, and never in chunks', async () => {
  const body = Buffer.from('some bytes')
  for (const [url, hash] of [
    ['s3://bucket/p?endpoint=https://host', sha256(body)],
    ['s3://bucket/p?endpoint=http://host', sha256(body)],
    ['s3://bucket/p?endpoint=https://host&sign-payload=false', 'UNSIGNED-PAYLOAD'],
    ['s3://bucket/p?endpoint=http://host&signPayload=false', 'UNSIGNED-PAYLOAD'],
    ['s3://bucket/p?region=eu-west-1', sha256(body)],
  ]) {
    const { client, sent } = await capturedClient(url!, KEYS)
    await client.write(file(1), body, { timestamp: 1 })
    await client.write(
      file(2),
      (async function* () {
        yield body
      })(),
      { timestamp: 1 },
    )
    for (const { headers, body: sentBody } of sent) {
      assert.deepEqual(sentBody, body)
      assert.equal(headers['content-length'], '10')
      assert.equal(headers['x-amz-content-sha256'], hash, url)
      for (const name of ['content-encoding', 'transfer-encoding', 'x-amz-trailer', 'x-amz-decoded-content-length']) {
        assert.equal(headers[name], undefined, `${url}: ${name}`)
      }
      if (url!.includes('endpoint'))
        assert.deepEqual(
          Object.keys(headers).filter((name) => /checksum/.test(name)),
          [],
        )
    }
    assert.equal(sent.length, 2)
  }
})

test('for any keys, the batch delete has the MD5 of its body and lists the keys in the given order', async () => {
  const files = [file(9), file(3), file(5, 7, 1)]
  for (const path of ['p', 'Größe/日本 &<"', '😀']) {
    const { client, sent } = await capturedClient(`s3://bucket/${encodeURIComponent(path)}?endpoint=https://host`, KEYS)
    await client.delete(files)
    const [request] = sent
    assert.equal(request!.headers['content-md5'], md5(request!.body))
    assert.ok(signedHeaders(request!).includes('content-md5'))
    assert.deepEqual(
      Object.keys(request!.headers).filter((name) => /checksum/.test(name)),
      [],
    )
    const keys = [...request!.body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key!)
    assert.deepEqual(
      keys.map((key) => key.slice(-37)),
      [
        '0000000000000009-0000000000000009.ltx',
        '0000000000000003-0000000000000003.ltx',
        '0000000000000005-0000000000000007.ltx',
      ],
    )
  }
  const { client, sent } = await capturedClient('s3://bucket/p?endpoint=https://host&require-content-md5=false', KEYS)
  await client.delete(files)
  assert.equal(sent[0]!.headers['content-md5'], undefined)
  await client.delete(Array.from({ length: 1001 }, (_, i) => file(i + 1)))
  assert.deepEqual(
    sent.slice(1).map(({ body }) => body.toString().split('<Key>').length - 1),
    [1000, 1],
  )
})

test('each request to Tigris has a signed header that requests a consistent response, and has no MD5', async () => {
  for (const host of ['fly.storage.tigris.dev', 't3.storage.dev']) {
    const { client, sent } = await capturedClient(`s3://bucket/p?endpoint=https://${host}&region=auto`, KEYS)
    await collect(client.list(0))
    await client.write(file(1), Buffer.from('x'), { timestamp: 1 })
    await client.delete([file(1)])
    await client.stat(file(1))
    for (const request of sent) {
      const name = Object.keys(request.headers).find((key) => key.toLowerCase() === 'x-tigris-consistent')
      assert.equal(request.headers[name ?? ''], 'true')
      assert.ok(signedHeaders(request).includes('x-tigris-consistent'))
      assert.equal(request.headers['content-md5'], undefined)
    }
    assert.equal(sent.length, 4)
  }
  const other = await listing('s3://bucket/p?endpoint=https://not-t3.storage.dev.example.com')
  assert.deepEqual(
    Object.keys(other.headers).filter((name) => /tigris/i.test(name)),
    [],
  )
})

test('the client sends Google no Accept-Encoding header, neither signed nor unsigned', async () => {
  for (const host of ['storage.googleapis.com', 'storage.europe-west1.rep.googleapis.com']) {
    const request = await listing(`s3://bucket/p?endpoint=https://${host}`)
    assert.ok(!Object.keys(request.headers).some((name) => name.toLowerCase() === 'accept-encoding'))
    assert.ok(!signedHeaders(request).includes('accept-encoding'))
  }
})

test('with sign-accept-encoding: false, the client sends no Accept-Encoding header, because a proxy could change a signed header', async () => {
  const { client, sent } = await capturedClient('s3://bucket/p?endpoint=https://host&sign-accept-encoding=false', KEYS)
  await client.read(file(1), { offset: 0, length: 9 }).catch(() => undefined)
  assert.ok(!Object.keys(sent[0]!.headers).some((name) => name.toLowerCase() === 'accept-encoding'))
  assert.ok(!signedHeaders(sent[0]!).includes('accept-encoding'))
})

test('a part size of 5MB is treated as 5MiB, and a smaller part size is refused', async () => {
  await (await capturedClient('s3://bucket/p?endpoint=https://host&part-size=5MB', KEYS)).client.close()
  await assert.rejects(capturedClient('s3://bucket/p?endpoint=https://host&part-size=4999999', KEYS), {
    code: 'INVALID_URL',
  })
})

test('a response with a success status that is not from a store counts neither as a success nor as an empty listing', async () => {
  const url = 's3://bucket/p?endpoint=https://host'
  const { client, sent } = await capturedClient(url, KEYS, () => ({ statusCode: 200, body: '' }))
  const unavailable = (error: unknown) => isLitestreamError(error, 'UNAVAILABLE') && /endpoint/.test(error.hint ?? '')
  await assert.rejects(collect(client.list(0)), unavailable)
  await assert.rejects(client.write(file(1), Buffer.from('x'), { timestamp: 1 }), unavailable)
  assert.equal(sent.length, 2 * 3, 'each was tried three times')
})

async function* bytes(count: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(2 ** 20)
  for (let at = 0; at < count; at += piece.length) yield piece.subarray(0, Math.min(piece.length, count - at))
}

test('the client sends two equal parts at a time to R2 and five to other stores, unless the configuration sets another number', async () => {
  const MiB = 2 ** 20
  for (const [url, most] of [
    ['s3://bucket/p?endpoint=https://account.r2.cloudflarestorage.com', 2],
    ['s3://bucket/p?endpoint=https://account.eu.r2.cloudflarestorage.com&concurrency=3', 3],
    ['s3://bucket/p?endpoint=https://host', 5],
    ['s3://bucket/p?region=eu-west-1&concurrency=1', 1],
  ] as const) {
    const { client, sent, maxInFlight } = await capturedClient(url, KEYS)
    await client.write(file(1), bytes(36 * MiB), { timestamp: 1 })
    const parts = sent.filter(({ query }) => 'partNumber' in query)
    assert.deepEqual(
      parts.map(({ body }) => body.length / MiB),
      [5, 5, 5, 5, 5, 5, 5, 1],
      url,
    )
    assert.equal(maxInFlight(), most, url)
    assert.ok(parts.every(({ headers }) => headers['transfer-encoding'] === undefined))
  }
})
