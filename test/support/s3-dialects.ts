import type { TestContext } from 'node:test'
import { type LoopbackRequest, type LoopbackS3, loopbackS3, sendError } from './loopback-s3.js'

// Each service with what it refuses, at its real host name: the store is the proxy through which
// every request goes.

export interface Dialect {
  readonly url: string
  /** The host of every request: with the bucket in it, or without. */
  readonly host: string
  readonly region: string
  /** Status and error code of a refusal, or undefined for a request that the service accepts. */
  refuse?(request: LoopbackRequest, store: LoopbackS3): readonly [number, string] | undefined
  readonly ignoresConditions?: boolean
  readonly createOnly: boolean
  readonly compareAndSet: boolean
}

type Refusal = NonNullable<Dialect['refuse']>

const NOT_IMPLEMENTED = [501, 'NotImplemented'] as const
const conditions: Refusal = ({ kind, headers }) =>
  (kind === 'PUT' || kind === 'POST') && ('if-none-match' in headers || 'if-match' in headers)
    ? NOT_IMPLEMENTED
    : undefined
const checksums: Refusal = ({ headers }) =>
  Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-')) ? [400, 'InvalidArgument'] : undefined
const batchWithoutMd5: Refusal = ({ query, headers }) =>
  query.has('delete') && !headers['content-md5'] ? [400, 'MissingContentMD5'] : undefined

const first =
  (...refusals: readonly Refusal[]): Refusal =>
  (request, store) => {
    for (const refuse of refusals) {
      const refused = refuse(request, store)
      if (refused) return refused
    }
    return undefined
  }

export const DIALECTS: Readonly<Record<string, Dialect>> = {
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
    refuse: ({ query, headers }) => {
      if (headers['x-tigris-consistent'] !== 'true') return [400, 'InconsistentRead']
      return query.has('delete') && headers['content-md5'] ? [400, 'BadDigest'] : undefined
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
    refuse: ({ query, headers }) => {
      if (/accept-encoding/.test(headers.authorization ?? '')) return [403, 'SignatureDoesNotMatch']
      return query.has('delete') ? [400, 'InvalidArgument'] : undefined
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

/** Credentials for every dialect. */
export const DIALECT_KEYS = { accessKeyId: 'K', secretAccessKey: 'secret-of-the-test' }

/** The replica URL of another path in the bucket. */
export function dialectUrl({ url }: Dialect, path: string): string {
  const at = path.split('/').map(encodeURIComponent).join('/')
  return url.replace('/app?', `/${at}?`)
}

/** Starts a store of the dialect, and makes it the proxy of this process until the test ends. */
export async function serveDialect(t: Pick<TestContext, 'after'>, dialect: Dialect): Promise<LoopbackS3> {
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
  t.after(() => {
    delete process.env.HTTP_PROXY
  })
  return store
}
