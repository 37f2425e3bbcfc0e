import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, test } from 'node:test'
import { configFromText } from '../../../src/config/load.js'
import { isLitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { type LoopbackRequest, type LoopbackS3, loopbackS3, sendError } from '../../support/loopback-s3.js'

// Each service with what it refuses, at its real host name: the store is the proxy through which
// every request goes.

interface Dialect {
  readonly url: string
  /** The host of every request: with the bucket in it, or without. */
  readonly host: string
  readonly region: string
  /** Status and code of a refusal; undefined for what the service takes. */
  refuse?(request: LoopbackRequest, store: LoopbackS3): readonly [number, string] | undefined
  readonly ignoresConditions?: boolean
  readonly createOnly: boolean
  readonly compareAndSet: boolean
}

type Refusal = NonNullable<Dialect['refuse']>

const NOT_IMPLEMENTED = [501, 'NotImplemented'] as const
const conditions: Refusal = ({ kind, headers }) =>
  kind === 'PUT' && ('if-none-match' in headers || 'if-match' in headers) ? NOT_IMPLEMENTED : undefined
const checksums: Refusal = ({ headers }) =>
  Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-')) ? [400, 'InvalidArgument'] : undefined
const batchWithoutMd5: Refusal = ({ kind, headers }) =>
  kind === 'POST' && !headers['content-md5'] ? [400, 'MissingContentMD5'] : undefined

const first =
  (...refusals: readonly Refusal[]): Refusal =>
  (request, store) => {
    for (const refuse of refusals) {
      const refused = refuse(request, store)
      if (refused) return refused
    }
    return undefined
  }

const DIALECTS: Readonly<Record<string, Dialect>> = {
  r2: {
    url: 's3://bucket/app?endpoint=http://account.r2.cloudflarestorage.com',
    host: 'account.r2.cloudflarestorage.com',
    region: 'auto',
    createOnly: true,
    compareAndSet: true,
  },
  b2: {
    url: 's3://bucket/app?endpoint=http://s3.us-west-004.backblazeb2.com',
    host: 's3.us-west-004.backblazeb2.com',
    region: 'us-west-004',
    refuse: first(conditions, checksums),
    createOnly: false,
    compareAndSet: false,
  },
  tigris: {
    url: 's3://bucket/app?endpoint=http://t3.storage.dev',
    host: 't3.storage.dev',
    region: 'auto',
    refuse: ({ kind, headers }) => {
      if (headers['x-tigris-consistent'] !== 'true') return [400, 'InconsistentRead']
      return kind === 'POST' && headers['content-md5'] ? [400, 'BadDigest'] : undefined
    },
    createOnly: true,
    compareAndSet: true,
  },
  minio: {
    url: 's3://bucket/app?endpoint=http://minio.example.com:9000',
    host: 'minio.example.com:9000',
    region: 'us-east-1',
    refuse: batchWithoutMd5,
    createOnly: true,
    compareAndSet: true,
  },
  digitalocean: {
    url: 's3://bucket/app?endpoint=http://nyc3.digitaloceanspaces.com&forcePathStyle=false',
    host: 'bucket.nyc3.digitaloceanspaces.com',
    region: 'nyc3',
    refuse: first(batchWithoutMd5, checksums),
    ignoresConditions: true,
    createOnly: false,
    compareAndSet: false,
  },
  wasabi: {
    url: 's3://bucket/app?endpoint=http://s3.eu-central-2.wasabisys.com',
    host: 's3.eu-central-2.wasabisys.com',
    region: 'eu-central-2',
    refuse: batchWithoutMd5,
    ignoresConditions: true,
    createOnly: false,
    compareAndSet: false,
  },
  scaleway: {
    url: 's3://bucket/app?endpoint=http://s3.fr-par.scw.cloud&forcePathStyle=false',
    host: 'bucket.s3.fr-par.scw.cloud',
    region: 'fr-par',
    refuse: ({ kind, headers }) =>
      kind === 'PUT' && headers['content-length'] === undefined ? [411, 'MissingContentLength'] : undefined,
    createOnly: true,
    compareAndSet: true,
  },
  hetzner: {
    url: 's3://bucket/app?endpoint=http://fsn1.your-objectstorage.com',
    host: 'fsn1.your-objectstorage.com',
    region: 'fsn1',
    refuse: first(batchWithoutMd5, ({ headers }) =>
      headers['content-encoding']?.includes('aws-chunked') ? [400, 'XAmzContentSHA256Mismatch'] : undefined,
    ),
    createOnly: true,
    compareAndSet: true,
  },
  ovh: {
    url: 's3://bucket/app?endpoint=http://s3.gra.io.cloud.ovh.net',
    host: 's3.gra.io.cloud.ovh.net',
    region: 'gra',
    refuse: first(conditions, batchWithoutMd5),
    createOnly: false,
    compareAndSet: false,
  },
  google: {
    url: 's3://bucket/app?endpoint=http://storage.googleapis.com',
    host: 'storage.googleapis.com',
    region: 'auto',
    refuse: ({ kind, headers }) => {
      if (/accept-encoding/.test(headers.authorization ?? '')) return [403, 'SignatureDoesNotMatch']
      return kind === 'POST' ? [400, 'InvalidArgument'] : undefined
    },
    ignoresConditions: true,
    createOnly: false,
    compareAndSet: false,
  },
  oss: {
    url: 'oss://bucket/app?endpoint=http://oss-eu-central-1-internal.aliyuncs.com',
    host: 'bucket.s3.oss-eu-central-1-internal.aliyuncs.com',
    region: 'eu-central-1',
    refuse: first(conditions, checksums, batchWithoutMd5, ({ kind, key, headers }, { objects }) =>
      kind === 'PUT' && headers['x-oss-forbid-overwrite'] === 'true' && objects.has(key)
        ? [409, 'FileAlreadyExists']
        : undefined,
    ),
    createOnly: true,
    compareAndSet: false,
  },
}

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const taken = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')

afterEach(() => {
  delete process.env.HTTP_PROXY
})

async function serve(t: Parameters<typeof loopbackS3>[0], dialect: Dialect): Promise<LoopbackS3> {
  const store = await loopbackS3(t)
  store.behave((request, response) => {
    const { headers, kind } = request
    const scope = /Credential=K\/\d+\/([^/]+)\/s3\//.exec(headers.authorization ?? '')?.[1]
    const refused =
      headers.host !== dialect.host
        ? ([403, 'SecondLevelDomainForbidden'] as const)
        : scope !== dialect.region
          ? ([400, 'AuthorizationHeaderMalformed'] as const)
          : dialect.refuse?.(request, store)
    if (refused) {
      sendError(response, ...refused)
      return true
    }
    if (dialect.ignoresConditions && kind === 'PUT') {
      delete headers['if-none-match']
      delete headers['if-match']
    }
    return false
  })
  delete process.env.NO_PROXY
  delete process.env.no_proxy
  process.env.HTTP_PROXY = store.endpoint
  return store
}

for (const [name, dialect] of Object.entries(DIALECTS)) {
  test(`${name}: a replica is written, read, fenced as far as the service can, and deleted`, async (t) => {
    const store = await serve(t, dialect)
    const keys = { accessKeyId: 'K', secretAccessKey: 'secret-of-the-test' }
    const clients = await Promise.all([1, 2].map(() => openReplicaClient(dialect.url, { s3: keys })))
    for (const client of clients) cleanUp(t, () => client.close())
    const [one, other] = clients as [(typeof clients)[0], (typeof clients)[0]]
    const body = randomBytes(3 * 2 ** 20)
    await one.write(file(1), body, { timestamp: 7, createOnly: true })
    const { createOnly, compareAndSet } = await one.guarantees!.ask()
    assert.deepEqual(
      { createOnly, compareAndSet },
      { createOnly: dialect.createOnly, compareAndSet: dialect.compareAndSet },
    )
    assert.deepEqual([...store.objects.keys()], ['app/0000/0000000000000001-0000000000000001.ltx'])
    await assert.rejects(other.write(file(1), randomBytes(9), { timestamp: 1, createOnly: true }), taken)
    const { data } = await other.read(file(1), { offset: 5000, length: 100_000 })
    assert.ok(body.subarray(5000, 105_000).equals(data))
    assert.equal((await other.stat(file(1))).createdAt, 7)

    const tag = await one.putObject('primary.json', Buffer.from('1'), null)
    await assert.rejects(other.putObject('primary.json', Buffer.from('2'), null), taken)
    const next = await one.putObject('primary.json', Buffer.from('3'), tag)
    await assert.rejects(other.putObject('primary.json', Buffer.from('4'), tag), taken)
    await one.deleteObject('primary.json', next)

    for (let txid = 2; txid <= 20; txid++) await one.write(file(txid), randomBytes(10), { timestamp: 1 })
    assert.equal((await collect(other.list(0, { fromTxid: 15 }))).length, 6)
    await one.delete(Array.from({ length: 20 }, (_, i) => file(i + 1)))
    assert.equal(store.objects.size, 0)
  })
}

test('oss: every URL form opens with keys of the environment; a wrong bucket and missing keys are errors', async () => {
  Object.assign(process.env, { OSS_ACCESS_KEY_ID: 'K', OSS_ACCESS_KEY_SECRET: 'secret-of-the-test' })
  try {
    for (const url of [
      'oss://bucket/app.db',
      'oss://bucket.oss-cn-shanghai.aliyuncs.com/app.db',
      'oss://bucket.oss-cn-shanghai-internal.aliyuncs.com/app.db',
    ]) {
      const client = await openReplicaClient(url)
      assert.deepEqual([client.type, client.url], ['oss', 'oss://bucket/app.db'])
      await client.close()
    }
    await assert.rejects(openReplicaClient('oss://Bad_Bucket/x'), (error) => isLitestreamError(error, 'INVALID_URL'))
  } finally {
    delete process.env.OSS_ACCESS_KEY_ID
    delete process.env.OSS_ACCESS_KEY_SECRET
  }
  await assert.rejects(
    openReplicaClient('oss://bucket/app.db'),
    (error) => isLitestreamError(error, 'ACCESS_DENIED') && /OSS_ACCESS_KEY_ID/.test(error.hint),
  )
})

test('the configuration on the page of each service is read', () => {
  const folder = path.join(import.meta.dirname, '../../../../docs/providers')
  const pages = readdirSync(folder)
  for (const name of Object.keys(DIALECTS)) assert.ok(pages.includes(`${name}.md`), name)
  for (const page of pages) {
    for (const [, yaml] of readFileSync(path.join(folder, page), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)) {
      assert.ok(configFromText(yaml!, page), page)
    }
  }
})
