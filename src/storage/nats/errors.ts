import { type ErrorCode, LitestreamError } from '../../errors.js'
import { errors, JetStreamApiError } from './library.js'

/**
 * JetStream's error codes that this package maps to one of its own error codes. The NATS server's
 * `errors.json` lists JetStream's error codes.
 */
const JETSTREAM: Readonly<Record<number, ErrorCode>> = {
  10008: 'UNAVAILABLE', // JetStream is starting, or has no leader
  10009: 'UNAVAILABLE', // the peer is not available
  10023: 'THROTTLED', // insufficient resources
  10037: 'NOT_FOUND', // no message
  10039: 'ACCESS_DENIED', // JetStream is not enabled for the account
  10047: 'DISK_FULL', // insufficient storage resources
  10059: 'NOT_FOUND', // no stream: no bucket
  10071: 'PRECONDITION_FAILED', // wrong last sequence
  10077: 'DISK_FULL', // the stream's or account's limit
  10164: 'PRECONDITION_FAILED', // wrong last sequence, of a write still under way
  10167: 'THROTTLED', // too many writes under way
}

const NO_BUCKET = 10059
const STREAM_THERE: ReadonlySet<number> = new Set([10058, 10065])

const NETWORK = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'EAI_AGAIN', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ETIMEDOUT', 'ERR_SOCKET_CLOSED'],
])

/**
 * Converts an error of the NATS client to a LitestreamError. `doing` is a verb such as "reading",
 * and `target` names server and bucket.
 */
export function natsError(thrown: unknown, doing: string, target: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const error = innermost(thrown)
  const { code, hint } = classify(error)
  const message = error instanceof Error ? error.message : String(error)
  return new LitestreamError(code, `${doing} ${target} failed: ${message}`, { cause: thrown, file: target, hint })
}

/**
 * Whether a request had no responders, because the bucket does not exist or the server is starting.
 */
export function isNoResponders(thrown: unknown): boolean {
  return innermost(thrown) instanceof errors.NoRespondersError
}

export function isNoBucket(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && thrown.code === NO_BUCKET
}

/**
 * Whether the server refused to create a stream because a stream with its name or subjects exists.
 */
export function isStreamThere(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && STREAM_THERE.has(thrown.code)
}

/**
 * Returns the original error of a request. The NATS client wraps the original error in a
 * RequestError, and wraps the RequestError in a JetStreamNotEnabled.
 */
function innermost(thrown: unknown): unknown {
  let error = thrown
  while (error instanceof Error && error.cause instanceof Error && !('code' in error)) error = error.cause
  return error
}

function classify(error: unknown): { code: ErrorCode; hint?: string } {
  if (error instanceof JetStreamApiError) {
    const code = JETSTREAM[error.code] ?? (error.status === 503 ? 'UNAVAILABLE' : 'STORAGE_FAILED')
    if (error.code === NO_BUCKET) {
      return {
        code,
        hint: 'Create the bucket with `nats object add`, write ?createBucket=true into the URL (`create-bucket: true` in a configuration), or correct the name of the bucket.',
      }
    }
    if (error.code === 10039) return { code, hint: 'Enable JetStream for the account in the NATS server.' }
    if (code === 'DISK_FULL')
      return {
        code,
        hint: 'Raise the storage limit of the NATS bucket or of the NATS account, or free space on the NATS server.',
      }
    return { code }
  }
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return {
      code: 'ACCESS_DENIED',
      hint: 'Check the NATS credentials of the replica: user and password, token, NKey or credentials file.',
    }
  }
  if (error instanceof errors.PermissionViolationError) {
    const permissions = 'subscribe to _INBOX.>, and publish to $JS.API.> and $O.<bucket>.>'
    return { code: 'ACCESS_DENIED', hint: `The NATS user must be allowed to ${permissions}.` }
  }
  if (error instanceof errors.TimeoutError) return { code: 'TIMEOUT' }
  if (error instanceof errors.NoRespondersError || error instanceof errors.RequestError) return { code: 'UNAVAILABLE' }
  return fromTransport(error as NodeJS.ErrnoException)
}

function fromTransport(error: NodeJS.ErrnoException | undefined): { code: ErrorCode; hint?: string } {
  const code = error?.code ?? ''
  if (NETWORK.has(code))
    return {
      code: 'UNAVAILABLE',
      hint: 'Check the host and port in the replica URL, and check that a NATS server listens on this port.',
    }
  if (/CERT|ERR_TLS|ERR_SSL|SELF_SIGNED|ALT_?NAME|UNABLE_TO_VERIFY/.test(code)) {
    return { code: 'ACCESS_DENIED', hint: 'Set `root-cas` to a file with the authority that signed the certificate.' }
  }
  if (error instanceof errors.InvalidArgumentError) return { code: 'INVALID_ARGUMENT' }
  return {
    code:
      error instanceof errors.ConnectionError || error instanceof errors.ClosedConnectionError
        ? 'UNAVAILABLE'
        : 'STORAGE_FAILED',
  }
}
