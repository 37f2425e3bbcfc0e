import { createHash } from 'node:crypto'
import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { rememberSecret } from '../../util/redact.js'
import { reveal, Secret } from '../../util/secret.js'
import { type Connections, connectionsTo } from '../http/agents.js'
import { areConnectionsShared } from '../http/connection-sharing.js'
import type { RequestPolicy } from '../request-policy.js'
import { S3Client } from './aws.js'
import { boundReplies, type RequestHandler } from './bounded-replies.js'
import { DEFAULT_REGION, type ResolvedS3Settings } from './provider.js'
import { bucketRegion } from './region.js'

/** The fields of a request that this module's middleware reads and changes. */
interface OutgoingRequest {
  readonly method: string
  readonly query: Readonly<Record<string, unknown>>
  headers: Record<string, string>
  readonly body?: unknown
}

/**
 * Maximum number of connections to one store. Opening a replica reads the page indexes of all files
 * in parallel. If the limit were lower, requests that wait for a free connection would each add a
 * round trip to the opening. Readers and uploads need far fewer connections.
 */
const MAX_CONNECTIONS = 128

/** Environment variables that contain secret credentials. */
const SECRET_VARIABLES = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'LITESTREAM_SECRET_ACCESS_KEY'] as const

/**
 * Creates the HTTP connections for the requests of a client. Throws CONFIG_INVALID for an invalid
 * proxy or file of certificate authorities.
 */
export function s3Connections(settings: ResolvedS3Settings, bucket: string): Promise<Connections> {
  return connectionsTo(hostOf(settings, bucket), {
    caFile: settings.caFile,
    skipVerify: settings.skipVerify,
    maxSockets: Math.max(MAX_CONNECTIONS, 2 * settings.concurrency),
  })
}

/**
 * Returns the host to which the client sends its requests. For AWS with an unknown region, returns
 * the host of the default region. The host of the default region has the same domain as the host of
 * any other region.
 */
function hostOf({ endpoint, region, forcePathStyle }: ResolvedS3Settings, bucket: string): URL {
  const url = new URL(endpoint ?? `https://s3.${region ?? DEFAULT_REGION}.amazonaws.com`)
  if (!forcePathStyle && !bucket.startsWith('arn:')) url.hostname = `${bucket}.${url.hostname}`
  return url
}

/**
 * The SDK clients of this thread that several replicas share. The key of an SDK client consists of
 * its settings, because only replicas with equal settings share a client.
 */
const shared = new Map<string, { readonly client: S3Client; readonly agent: unknown }>()

/**
 * Returns the SDK's client for these settings. After shareConnections(), all replicas with the same
 * settings get the same SDK client. An SDK client takes 100 KiB of memory, and reads the
 * configuration files of AWS. `isNew` is true if this call has created the client.
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
  // The code never destroys a shared client, because each replica ends only its own requests.
  client.destroy = () => {}
  shared.set(key, { client, agent: connections.agent })
  return { client, isNew: true }
}

/**
 * A replacer for JSON.stringify that reveals secrets. Without this replacer, settings that differ
 * only in a secret would give the same key.
 */
function revealed(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const own = this[name]
  return own instanceof Secret ? own.reveal() : value
}

/**
 * Creates the SDK's client for these settings. The SDK makes one attempt per call. litestream-ts
 * makes the retries (retry.ts), because a request must also be retried if its body is interrupted.
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
    // A custom endpoint may not support checksums, so the client sends it no checksum and no
    // aws-chunked body.
    requestChecksumCalculation: custom ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: requestHandler ?? {
      connectionTimeout: policy.firstByteTimeout,
      socketTimeout: policy.idleTimeout,
      httpAgent: agent as HttpAgent,
      httpsAgent: agent as HttpsAgent,
    },
    // A proxy may answer the header Expect itself, or may not answer it at all. For requests
    // through a proxy, the client therefore does not send the header Expect.
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

/**
 * Environment variable that disables the SDK's warning about a future end of support for the
 * current Node.js version.
 */
const NO_NODE_WARNING = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/**
 * Calls `make` without the SDK's warning about Node.js versions. A user cannot act on the warning,
 * because litestream-ts contains the SDK.
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

/**
 * Configuration for the SDK's sources of credentials. With READ_FILES_AGAIN, the sources read their
 * files again each time that they are asked.
 */
const READ_FILES_AGAIN: object = { ignoreCache: true }

/** Error codes with which a store refuses invalid or expired credentials. */
const REFUSED: ReadonlySet<unknown> = new Set([
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
])

/**
 * If the store has refused the credentials, discards the cached credentials, so that the next
 * request reads them from their sources. The SDK itself keeps credentials without an expiry time as
 * long as the client exists. A user may have replaced the credentials in a file since the SDK read
 * them.
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
  // Like Litestream, uses the variables of Litestream if those of AWS are not set.
  const env = process.env
  const id = env.AWS_ACCESS_KEY_ID || env.LITESTREAM_ACCESS_KEY_ID
  const secret = env.AWS_SECRET_ACCESS_KEY || env.LITESTREAM_SECRET_ACCESS_KEY
  const fromLitestream = env.LITESTREAM_ACCESS_KEY_ID !== undefined || env.LITESTREAM_SECRET_ACCESS_KEY !== undefined
  if (fromLitestream && id && secret && !(env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY)) {
    const token = env.AWS_SESSION_TOKEN
    return { credentials: { accessKeyId: id, secretAccessKey: secret, ...(token && { sessionToken: token }) } }
  }
  // Without static credentials, the SDK uses its default chain: environment, profiles, SSO, web
  // identity, container, instance.
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
      // A bucket with Object Lock refuses a body without a checksum.
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

/**
 * Adds Content-MD5 to a request and removes the SDK's CRC32. Some older stores require MD5 and do
 * not accept CRC32 instead.
 */
function addContentMd5(request: OutgoingRequest): void {
  if (typeof request.body !== 'string' && !(request.body instanceof Uint8Array)) return
  request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64')
  for (const name of Object.keys(request.headers)) {
    if (/^x-amz-(checksum-|sdk-checksum-)/i.test(name)) delete request.headers[name]
  }
}
