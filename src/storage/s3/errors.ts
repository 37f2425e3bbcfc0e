import { type ErrorCode, LitestreamError } from '../../errors.js'
import { type Connections, certificateHint } from '../http/agents.js'
import { hintOf as proxyHint } from '../http/proxy-fault.js'
import { networkCode, networkFailure } from '../network-errors.js'
import { setRetryAfter } from '../retry.js'
import { UnexpectedReply } from './bounded-replies.js'
import { CODES, codeByStatus, HINTS, hintByStatus } from './error-tables.js'

/**
 * An error of the SDK. The error contains the store's response, unless the request failed before
 * the store responded.
 */
interface SdkError {
  readonly name?: string
  readonly Code?: string
  /** The region of the bucket, or undefined if the store does not report it. */
  readonly Region?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: {
    readonly httpStatusCode?: number
    readonly requestId?: string
    readonly clockSkewCorrected?: boolean
  }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/** The verb and the object of a request. */
type Target = Pick<Attempted, 'doing' | 'target'>

/**
 * The verb and the object of a failed request, and the endpoint and the connections that the
 * request used.
 */
export interface Attempted {
  /** A verb such as "reading" or "writing". */
  readonly doing: string
  /** The URL of the requested object, such as `s3://bucket/key`. */
  readonly target: string
  /** Address of the server for messages, without credentials. */
  readonly endpoint: string
  /** The proxy and the certificate authorities that the request used. */
  readonly connections: Pick<Connections, 'proxy' | 'authorities'>
}

/** Error names of the SDK and of Node.js that say nothing about the cause. */
const NAMELESS: ReadonlySet<string | undefined> = new Set([
  undefined,
  'Error',
  'Unknown',
  'UnknownError',
  'AggregateError',
])

/** Maximum number of characters of the store's text in an error message. */
const MAX_MESSAGE = 500
/** Maximum number of characters of the store's error code in an error message. */
const MAX_CODE = 100

const NO_STORE =
  'Check the endpoint and the network: the server that answers is not an S3 store, or a proxy changes the replies.'

/** Converts an error of the SDK to a LitestreamError. */
export function s3Error(thrown: unknown, attempted: Attempted): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const { doing, target, endpoint, connections } = attempted
  if (thrown instanceof UnexpectedReply) return unexpected(thrown, attempted)
  const error = thrown as SdkError
  const status = error.$metadata?.httpStatusCode
  const name = serviceName(error)
  const network = status === undefined ? networkFailure(thrown, certificateHint(connections)) : undefined
  const where = network === undefined ? '' : ` (endpoint ${endpoint})`
  const converted = new LitestreamError(
    network?.code ?? codeOf(error, name, status),
    name === 'NoSuchBucket'
      ? `${doing} ${target} failed: NoSuchBucket: the bucket ${target.split('/')[2]} does not exist (endpoint ${endpoint})`
      : `${doing} ${target} failed: ${messageOf(error, name)}${where}`,
    {
      cause: safeCause(thrown, name),
      file: target,
      requestId: error.$metadata?.requestId,
      hint: network?.hint ?? proxyRefusal(status, connections) ?? hintOf(error, name, status),
    },
  )
  const wait = Number(error.$response?.headers?.['retry-after'])
  if (wait > 0) setRetryAfter(converted, wait * 1000)
  return converted
}

/**
 * Returns the hint for a response with status 407 (Proxy Authentication Required). Only a proxy
 * sends the status 407.
 */
function proxyRefusal(status: number | undefined, { proxy }: Attempted['connections']): string | undefined {
  return status === 407 && proxy ? proxyHint(proxy.variable, status) : undefined
}

function unexpected(reply: UnexpectedReply, { doing, target, endpoint, connections }: Attempted): LitestreamError {
  const { status, passing, message } = reply
  const { proxy } = connections
  // If the request went through a proxy for http, the response may come from the proxy instead of
  // the store.
  const hint = proxy === undefined ? NO_STORE : proxyHint(proxy.variable, status)
  return new LitestreamError(
    status === 429 ? 'THROTTLED' : status === 407 ? 'ACCESS_DENIED' : passing ? 'UNAVAILABLE' : 'STORAGE_FAILED',
    `${doing} ${target} failed: ${message} (endpoint ${endpoint})`,
    { file: target, hint },
  )
}

/**
 * Returns the error for a conditional write to a store that does not support the condition. The
 * error message says which condition the store lacks, and the hint says why conditional writes are
 * needed. Returns any other error unchanged.
 */
export function conditionError(
  error: unknown,
  header: 'If-None-Match' | 'If-Match',
  { doing, target }: Target,
): unknown {
  if (!(error instanceof LitestreamError) || !isNotImplemented(error)) return error
  const message = `${doing} ${target} failed: the store does not support conditional writes (${header})`
  return new LitestreamError('STORAGE_FAILED', message, {
    cause: error.cause,
    file: target,
    requestId: error.requestId,
    hint: 'Set `conditional-writes: auto`, or use a store that supports PUT with If-None-Match: without this condition, two primaries could overwrite the files of each other.',
  })
}

function isNotImplemented({ cause }: LitestreamError): boolean {
  return cause instanceof Error && /^(NotImplemented|HTTP 501)$/.test(cause.name)
}

/**
 * Whether `error` may mean that the store does not support a header or a request. An error with
 * status 501 may mean that the store does not support the header or the request. An error with a
 * status 4xx may mean the same, unless the error concerns permissions or the object.
 */
export function isConditionRefused(error: unknown): boolean {
  if (!(error instanceof LitestreamError)) return false
  return isNotImplemented(error) || error.code === 'STORAGE_FAILED'
}

/** Whether the error says that the bucket does not exist, which says nothing about the object. */
export function isNoBucket(error: LitestreamError): boolean {
  return error.code === 'NOT_FOUND' && error.cause instanceof Error && error.cause.name === 'NoSuchBucket'
}

function serviceName(error: SdkError): string {
  const { name, Code, $metadata } = error
  const code = networkCode(error)
  // The SDK gives the error of a reset connection the name TimeoutError, so serviceName() returns
  // the system's error code.
  if ($metadata?.httpStatusCode === undefined && code !== undefined) return code
  const known = Code ?? name
  if (!NAMELESS.has(known)) return known!.slice(0, MAX_CODE)
  return code ?? (Number($metadata?.httpStatusCode) > 0 ? `HTTP ${$metadata!.httpStatusCode}` : (known ?? 'Error'))
}

/** Returns the store's error code and error text on one line of limited length. */
function messageOf({ message = '' }: SdkError, name: string): string {
  const said = message.split('\n', 1)[0]!.trim().slice(0, MAX_MESSAGE)
  if (NAMELESS.has(said) || said === '') return name
  return said.includes(name) ? said : `${name}: ${said}`
}

function hintOf({ Region, $response }: SdkError, name: string, status: number | undefined): string {
  const region = $response?.headers?.['x-amz-bucket-region'] ?? Region
  const elsewhere = (status !== undefined && status >= 300 && status < 400) || name === 'AuthorizationHeaderMalformed'
  if (elsewhere && region !== undefined && /^[a-z0-9-]{1,40}$/.test(region)) {
    return `Set \`region\` to ${region} (\`?region=${region}\` in the replica URL): the bucket is in that region.`
  }
  const known = HINTS[name] ?? (status === undefined ? undefined : hintByStatus(status))
  return known ?? 'Check endpoint, bucket and credentials; the documentation of the store explains the error code.'
}

function codeOf(error: SdkError, name: string, status: number | undefined): ErrorCode {
  // The SDK has read the server's time from the response, and signs the next attempt with that
  // time.
  if (error.$metadata?.clockSkewCorrected) return 'UNAVAILABLE'
  const named = CODES[name]
  if (named !== undefined) return named
  if (status !== undefined && status >= 400) return codeByStatus(status)
  if (name === 'AbortError') return 'UNAVAILABLE'
  // A response that ends inside its headers or its XML is a broken connection. The SDK's error for
  // a truncated response has no code.
  return /socket hang up|aborted|premature|deserialization|parse error/i.test(error.message ?? '')
    ? 'UNAVAILABLE'
    : 'STORAGE_FAILED'
}

/**
 * Copies only name, message and stack of the SDK's error, because the error itself contains the
 * whole response and request. Some stores repeat the signed text and the key ID in the response,
 * and a header of the request may contain an encryption key.
 */
function safeCause(thrown: unknown, name: string): Error {
  const { message = String(thrown), stack } = thrown as Error
  const cause = new Error(message)
  cause.name = name
  if (stack !== undefined) cause.stack = stack
  return cause
}
