import { type ErrorCode, LitestreamError } from '../../errors.js'
import { setRetryAfter } from '../retry.js'

/** What the SDK throws: a service's answer, or whatever went wrong before there was one. */
interface SdkError {
  readonly name?: string
  readonly Code?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: {
    readonly httpStatusCode?: number
    readonly requestId?: string
    readonly clockSkewCorrected?: boolean
  }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'Create the bucket, or correct its name in the replica URL.',
  SignatureDoesNotMatch: 'The secret access key does not belong to the access key id; check both.',
  InvalidAccessKeyId: 'The store does not know this access key id; check it, and that the endpoint is the right one.',
  RequestTimeTooSkewed: 'The clock of this machine is wrong; set it.',
  ExpiredToken: 'The temporary credentials have expired; renew them.',
  AccessDenied: 'The credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on this bucket.',
  CredentialsProviderError: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or any other source the AWS SDK knows.',
  PermanentRedirect: 'The bucket is in another region; name it with ?region=… in the replica URL.',
  AuthorizationHeaderMalformed: 'The bucket is in another region; name it with ?region=… in the replica URL.',
}

const NAMES: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'NOT_FOUND',
  NoSuchBucket: 'NOT_FOUND',
  NotFound: 'NOT_FOUND',
  CredentialsProviderError: 'ACCESS_DENIED',
  ExpiredToken: 'ACCESS_DENIED',
  InvalidToken: 'ACCESS_DENIED',
  PreconditionFailed: 'PRECONDITION_FAILED',
  ConditionalRequestConflict: 'UNAVAILABLE', // two writers at the same instant: the store asks to try again
  SlowDown: 'THROTTLED',
  Throttling: 'THROTTLED',
  ThrottlingException: 'THROTTLED',
  RequestLimitExceeded: 'THROTTLED',
  TooManyRequestsException: 'THROTTLED',
  RequestTimeout: 'TIMEOUT',
  TimeoutError: 'TIMEOUT',
  InvalidRange: 'INVALID_ARGUMENT',
}

function codeByStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'ACCESS_DENIED'
  if (status === 404) return 'NOT_FOUND'
  if (status === 408) return 'TIMEOUT'
  if (status === 412) return 'PRECONDITION_FAILED'
  if (status === 416) return 'INVALID_ARGUMENT'
  if (status === 429) return 'THROTTLED'
  return status >= 500 && status !== 501 ? 'UNAVAILABLE' : 'STORAGE_FAILED'
}

/** Failures of the connection, which a second try may not meet. */
const NETWORK = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'EAI_AGAIN', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ERR_STREAM_PREMATURE_CLOSE', 'ERR_HTTP2_STREAM_ERROR', 'ERR_SOCKET_CLOSED', 'HPE_INVALID_CONSTANT', 'ABORT_ERR'],
])

/** The LitestreamError for what the SDK threw while `doing` ("reading", …) something to `target`, which names bucket and key. */
export function s3Error(thrown: unknown, doing: string, target: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const error = thrown as SdkError
  const status = error.$metadata?.httpStatusCode
  const name = serviceName(error)
  const { message: said = '' } = error
  const message = said.includes(name) ? said : `${name}${said && ': '}${said}`
  const converted = new LitestreamError(codeOf(error, name, status), `${doing} ${target} failed: ${message}`, {
    cause: safeCause(thrown, name),
    file: target,
    requestId: error.$metadata?.requestId,
    hint: HINTS[name],
  })
  const wait = Number(error.$response?.headers?.['retry-after'])
  if (wait > 0) setRetryAfter(converted, wait * 1000)
  return converted
}

/** For a reply that says it went well and does not look like one of a store. */
export function unconfirmed(doing: string, target: string, what: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${doing} ${target} failed: ${what}`, {
    file: target,
    hint: 'Something that is not an S3 store answers there, or a proxy cuts replies short; check the endpoint.',
  })
}

function serviceName({ name, Code, code, $metadata }: SdkError): string {
  // The SDK calls a connection that was reset a TimeoutError.
  if ($metadata?.httpStatusCode === undefined && NETWORK.has(code ?? '')) return code!
  const known = Code ?? name
  if (known !== undefined && known !== 'Error' && known !== 'Unknown' && known !== 'UnknownError') return known
  return code ?? (Number($metadata?.httpStatusCode) > 0 ? `HTTP ${$metadata!.httpStatusCode}` : (known ?? 'Error'))
}

function codeOf(error: SdkError, name: string, status: number | undefined): ErrorCode {
  // The SDK has seen the server's clock and signs by it from now on: the next try is a different one.
  if (error.$metadata?.clockSkewCorrected) return 'UNAVAILABLE'
  const named = NAMES[name]
  if (named !== undefined) return named
  if (status !== undefined && status >= 400) return codeByStatus(status)
  if (NETWORK.has(name) || name === 'AbortError') return 'UNAVAILABLE'
  // A reply that stops in the middle of its headers or XML is a broken connection too, and comes without a code.
  return /socket hang up|aborted|premature|deserialization|parse error/i.test(error.message ?? '')
    ? 'UNAVAILABLE'
    : 'STORAGE_FAILED'
}

/**
 * The SDK's errors carry the whole reply, in which some stores repeat what was signed and with which key, and the request, whose
 * headers may hold an encryption key. What is shown keeps only name, message and stack.
 */
function safeCause(thrown: unknown, name: string): Error {
  const { message = String(thrown), stack } = thrown as Error
  const cause = new Error(message)
  cause.name = name
  if (stack !== undefined) cause.stack = stack
  return cause
}
