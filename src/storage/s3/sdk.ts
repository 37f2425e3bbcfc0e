import { createHash } from 'node:crypto'
import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { rememberSecret } from '../../util/redact.js'
import { reveal, Secret } from '../../util/secret.js'
import { areConnectionsShared, type Connections, connectionsTo } from '../http/agents.js'
import type { RequestPolicy } from '../request-policy.js'
import { S3Client } from './aws.js'
import { boundReplies, type RequestHandler } from './bounded-replies.js'
import { DEFAULT_REGION, type ResolvedS3Settings } from './provider.js'
import { bucketRegion } from './region.js'

/** The used part of a request in a middleware. */
interface OutgoingRequest {
  readonly method: string
  readonly query: Readonly<Record<string, unknown>>
  headers: Record<string, string>
  readonly body?: unknown
}

/**
 * Maximum connections to one store. Readers and uploads use far fewer, but an opening reads the
 * indexes of all files in parallel, and a request that waits for a connection waits for a round
 * trip.
 */
const MAX_CONNECTIONS = 128

/** Environment variables with secret credentials. */
const SECRET_VARIABLES = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'LITESTREAM_SECRET_ACCESS_KEY'] as const

/**
 * The connections for a client's requests. Throws CONFIG_INVALID for an invalid proxy or authority
 * file.
 */
export function s3Connections(settings: ResolvedS3Settings, bucket: string): Promise<Connections> {
  return connectionsTo(hostOf(settings, bucket), {
    caFile: settings.caFile,
    skipVerify: settings.skipVerify,
    maxSockets: Math.max(MAX_CONNECTIONS, 2 * settings.concurrency),
  })
}

/** The host of the requests; for AWS without a known region, one with the same domain. */
function hostOf({ endpoint, region, forcePathStyle }: ResolvedS3Settings, bucket: string): URL {
  const url = new URL(endpoint ?? `https://s3.${region ?? DEFAULT_REGION}.amazonaws.com`)
  if (!forcePathStyle && !bucket.startsWith('arn:')) url.hostname = `${bucket}.${url.hostname}`
  return url
}

/** The clients of this thread that replicas with the same settings share, by settings. */
const shared = new Map<string, { readonly client: S3Client; readonly agent: unknown }>()

/**
 * The SDK's client for these settings; with shared connections (see shareConnections), the same for
 * all replicas that have the same settings: each takes 100 KiB, and reads the configuration files of
 * AWS. `isNew`: whether it was just made.
 */
export function sdkClient(
  settings: ResolvedS3Settings,
  bucket: string,
  policy: RequestPolicy,
  connections: Pick<Connections, 'agent' | 'proxy'>,
  requestHandler?: RequestHandler,
): { readonly client: S3Client; readonly isNew: boolean } {
  const make = () => makeSdkClient(settings, bucket, policy, connections, requestHandler)
  if (!areConnectionsShared() || requestHandler !== undefined) return { client: make(), isNew: true }
  const key = createHash('sha256')
    .update(JSON.stringify([settings, bucket, policy], revealed))
    .digest('hex')
  const there = shared.get(key)
  if (there?.agent === connections.agent) return { client: there.client, isNew: false }
  const client = make()
  // Its users end their requests themselves.
  client.destroy = () => {}
  shared.set(key, { client, agent: connections.agent })
  return { client, isNew: true }
}

/** For JSON.stringify, which would otherwise write every secret in the same way. */
function revealed(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const own = this[name]
  return own instanceof Secret ? own.reveal() : value
}

/**
 * Creates the SDK's client for these settings. The client makes one attempt per call: this package
 * retries itself, because a retry must also cover reading the body (see retry.ts).
 */
function makeSdkClient(
  settings: ResolvedS3Settings,
  bucket: string,
  policy: RequestPolicy,
  { agent, proxy }: Pick<Connections, 'agent' | 'proxy'>,
  requestHandler?: RequestHandler,
): S3Client {
  const custom = settings.endpoint !== undefined
  const config: S3ClientConfig = {
    maxAttempts: 1,
    forcePathStyle: settings.forcePathStyle,
    customUserAgent: 'litestream-ts',
    // A custom endpoint may not support checksums, so it gets none, and never an aws-chunked body.
    requestChecksumCalculation: custom ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: requestHandler ?? {
      connectionTimeout: policy.firstByteTimeout,
      socketTimeout: policy.idleTimeout,
      httpAgent: agent as HttpAgent,
      httpsAgent: agent as HttpsAgent,
    },
    // A proxy may answer the expectation itself, or not at all.
    ...(proxy && { expectContinueHeader: false }),
    ...(custom && { endpoint: settings.endpoint! }),
    ...(bucket.startsWith('arn:') && { useArnRegion: true }),
    ...READ_FILES_AGAIN,
    ...credentialsOf(settings),
  }
  const region = settings.region ?? bucketRegion(config, bucket, policy.firstByteTimeout)
  return prepare(
    quietly(() => new S3Client({ ...config, region })),
    settings,
  )
}

/** Switches off the SDK's warning about versions of Node.js that later SDKs need. */
const NO_NODE_WARNING = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/**
 * This package contains the version of the SDK that it needs: a user cannot act on what the SDK
 * says of its next ones.
 */
function quietly<T>(make: () => T): T {
  const before = process.env[NO_NODE_WARNING]
  process.env[NO_NODE_WARNING] = 'true'
  try {
    return make()
  } finally {
    if (before === undefined) delete process.env[NO_NODE_WARNING]
    else process.env[NO_NODE_WARNING] = before
  }
}

/** For the SDK's sources of credentials, which get the configuration: they keep no file in memory. */
const READ_FILES_AGAIN: object = { ignoreCache: true }

/** A store's codes for credentials that it does not accept, or no longer. */
const REFUSED: ReadonlySet<unknown> = new Set([
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
])

/**
 * If the store has refused the credentials, the next request reads their sources again: the SDK
 * keeps credentials without an expiry as long as the client exists, and the keys in a file may have
 * been replaced.
 */
export function renewIfRefused(error: unknown, client: S3Client, settings: ResolvedS3Settings): void {
  if (!REFUSED.has((error as Error | undefined)?.name)) return
  Object.assign(client.config, { credentials: undefined, ...credentialsOf(settings) })
}

function credentialsOf(settings: ResolvedS3Settings): Partial<S3ClientConfig> {
  for (const name of SECRET_VARIABLES) if (process.env[name]) rememberSecret(process.env[name])
  if (settings.anonymous) {
    return {
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: { sign: async (request) => request },
    }
  }
  const { accessKeyId, secretAccessKey, sessionToken } = settings
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return {
      credentials: {
        accessKeyId,
        secretAccessKey: reveal(secretAccessKey),
        ...(sessionToken !== undefined && { sessionToken: reveal(sessionToken) }),
      },
    }
  }
  // As in Litestream, its own variables are used if those of AWS are not set.
  const env = process.env
  const id = env.AWS_ACCESS_KEY_ID || env.LITESTREAM_ACCESS_KEY_ID
  const secret = env.AWS_SECRET_ACCESS_KEY || env.LITESTREAM_SECRET_ACCESS_KEY
  const fromLitestream = env.LITESTREAM_ACCESS_KEY_ID !== undefined || env.LITESTREAM_SECRET_ACCESS_KEY !== undefined
  if (fromLitestream && id && secret && !(env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY)) {
    const token = env.AWS_SESSION_TOKEN
    return { credentials: { accessKeyId: id, secretAccessKey: secret, ...(token && { sessionToken: token }) } }
  }
  // the SDK's default chain: environment, profiles, SSO, web identity, container, instance
  return {}
}

function prepare(client: S3Client, settings: ResolvedS3Settings): S3Client {
  client.config.requestHandler = boundReplies(client.config.requestHandler)
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as OutgoingRequest
      Object.assign(request.headers, settings.headers)
      for (const name of Object.keys(request.headers)) {
        if (settings.unsignableHeaders.includes(name.toLowerCase())) delete request.headers[name]
      }
      if (settings.dialect === 'oss' && request.headers['if-none-match'] === '*') {
        delete request.headers['if-none-match']
        request.headers['x-oss-forbid-overwrite'] = 'true'
      }
      if (!settings.signPayload) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      const needsMd5 = settings.requireContentMd5 && isBatchDelete(request)
      // Buckets with Object Lock refuse bodies without a checksum.
      if (needsMd5 || (settings.writeOnce && request.method === 'PUT')) addContentMd5(request)
      return next(args)
    },
    { step: 'build', name: 'litestreamHeaders', priority: 'low' },
  )
  return client
}

function isBatchDelete(request: OutgoingRequest): boolean {
  return request.method === 'POST' && 'delete' in request.query
}

/** The SDK sends a CRC32 there, which older stores do not accept instead of the required MD5. */
function addContentMd5(request: OutgoingRequest): void {
  if (typeof request.body !== 'string' && !(request.body instanceof Uint8Array)) return
  request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64')
  for (const name of Object.keys(request.headers)) {
    if (/^x-amz-(checksum-|sdk-checksum-)/i.test(name)) delete request.headers[name]
  }
}
