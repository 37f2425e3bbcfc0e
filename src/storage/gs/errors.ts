import { type ErrorCode, LitestreamError } from '../../errors.js'
import { clockSkew } from '../clock-skew.js'
import { networkCode, networkFailure } from '../network-errors.js'
import { noBucketError } from '../objects/no-bucket.js'
import type { Attempted } from '../objects/object-store.js'
import { setRetryAfter } from '../retry.js'

/** A response of Google Cloud Storage with an unexpected status. */
export class GsReplyError extends Error {
  readonly status: number
  /** The reason in the response, for example "conditionNotMet". */
  readonly reason: string | undefined
  readonly retryAfter: number | undefined
  /** The value of the response's header Date. */
  readonly date: string | undefined

  constructor(
    status: number,
    details: {
      readonly message?: string
      readonly reason?: string
      readonly retryAfter?: number
      readonly date?: string | undefined
    } = {},
  ) {
    super(details.message ?? `HTTP ${status}`)
    this.name = details.reason ?? `HTTP ${status}`
    this.status = status
    this.reason = details.reason
    this.retryAfter = details.retryAfter
    this.date = details.date
  }
}

/** The error of a request to a token server. */
interface TokenError {
  readonly response?: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
}

/** The error of a request that was not sent, because the client could not get credentials. */
export class GsCredentialsError extends Error {
  override readonly name = 'GsCredentialsError'

  constructor(cause: unknown) {
    super((cause as Error).message?.split('\n', 1)[0] ?? String(cause), { cause })
  }
}

/** Maximum number of characters of the service's text in an error message. */
const MAX_MESSAGE = 500

const AUTHORITY =
  'Set NODE_EXTRA_CA_CERTS to a file with the authority that signed the certificate, or correct the host of the endpoint.'

const CREDENTIALS =
  'Set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, run `gcloud auth application-default login`, or run on a machine of Google Cloud with a service account.'

const RIGHTS =
  'Give the account storage.objects.create, get, list and delete on the bucket: the role "Storage Object User" has these permissions.'

/**
 * The hints for the user, by the reason in the service's response. The reasons are those of the
 * JSON API's "HTTP status and error codes".
 */
const HINTS: Readonly<Record<string, string>> = {
  authError: CREDENTIALS,
  required: CREDENTIALS,
  forbidden: RIGHTS,
  insufficientPermissions: RIGHTS,
  accountDisabled: 'Check the billing of the project, whose account is disabled.',
  userProjectMissing: 'Use another bucket: "requester pays" buckets are not supported.',
  retentionPolicyNotMet: 'Set `retention.enabled: false`, or remove the retention policy of the bucket.',
  objectUnderActiveHold: 'Remove the hold on the object.',
}

/** Converts an error of a request to Google Cloud Storage to a LitestreamError. */
export function gsError(thrown: unknown, attempted: Attempted, endpoint: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const { doing, target } = attempted
  if (thrown instanceof GsReplyError) return replyError(thrown, attempted)
  const network = networkFailure(thrown instanceof GsCredentialsError ? thrown.cause : thrown, AUTHORITY)
  const error = thrown as Error
  const cause = shortened(error)
  if (thrown instanceof GsCredentialsError) {
    const said = network ? networkCode(thrown.cause) : cause.message
    const skew = clockSkew((thrown.cause as TokenError).response?.headers?.date)
    return new LitestreamError(
      network?.code ?? credentialsCode(thrown.cause),
      `${doing} ${target} failed: no credentials could be obtained: ${said}${skew?.text ?? ''}`,
      { cause, file: target, hint: network?.hint ?? skew?.hint ?? CREDENTIALS },
    )
  }
  const name = networkCode(error) ?? error.name
  // If the body of a response was aborted or interrupted, the library's error has no error code.
  const broken = error.name === 'AbortError' || /premature|socket hang up|aborted/i.test(error.message)
  return new LitestreamError(
    network?.code ?? (broken ? 'UNAVAILABLE' : 'STORAGE_FAILED'),
    `${doing} ${target} failed: ${network ? name : cause.message} (endpoint ${endpoint})`,
    {
      cause,
      file: target,
      hint: network?.hint ?? 'Check the network between this machine and the store, and any proxy between them.',
    },
  )
}

function replyError(reply: GsReplyError, { doing, target }: Attempted): LitestreamError {
  const { status, reason, retryAfter, message, date } = reply
  const skew = status === 401 ? clockSkew(date) : undefined
  const text = `${doing} ${target} failed: ${message.slice(0, MAX_MESSAGE)}${skew?.text ?? ''}`
  const details = { cause: shortened(reply), file: target }
  if (status === 404 && /bucket does not exist/i.test(message)) {
    return noBucketError(text, { ...details, hint: 'Create the bucket, or correct its name in the replica URL.' })
  }
  const hint = skew?.hint ?? (reason === undefined ? undefined : HINTS[reason]) ?? hintByStatus(status)
  const error = new LitestreamError(codeByStatus(status), text, hint === undefined ? details : { ...details, hint })
  if (retryAfter !== undefined && retryAfter > 0) setRetryAfter(error, retryAfter * 1000)
  return error
}

function codeByStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'ACCESS_DENIED'
  if (status === 404 || status === 410) return 'NOT_FOUND'
  if (status === 408) return 'TIMEOUT'
  if (status === 412) return 'PRECONDITION_FAILED'
  if (status === 416) return 'INVALID_ARGUMENT'
  if (status === 429) return 'THROTTLED'
  return status >= 500 && status !== 501 ? 'UNAVAILABLE' : 'STORAGE_FAILED'
}

function hintByStatus(status: number): string | undefined {
  if (status >= 300 && status < 400)
    return 'Correct the endpoint: the server redirects requests to another URL, and litestream-ts does not follow redirections.'
  if (status === 401) return CREDENTIALS
  if (status === 403) return RIGHTS
  if (status === 404) return 'Check the bucket and the path of the replica URL.'
  if (status === 412)
    return 'Check that only one primary replicates to this URL: another process wrote the object first.'
  if (status === 429) return 'Replicate fewer databases or use longer intervals: the service throttles requests.'
  if (status >= 500) return 'Check the status page of Google Cloud: the service reports an internal error.'
  return undefined
}

/**
 * Returns the code for a failed request to the token server. A fault inside the token server may be
 * temporary. A refusal by the token server is permanent.
 */
function credentialsCode(cause: unknown): ErrorCode {
  const status = (cause as TokenError).response?.status
  if (status === 429) return 'THROTTLED'
  return status !== undefined && status >= 500 ? 'UNAVAILABLE' : 'ACCESS_DENIED'
}

/**
 * Copies only name, message and stack of the library's error, because the error itself contains the
 * whole request with its headers.
 */
function shortened({ name, message, stack }: Error): Error {
  const cause = new Error(message.split('\n', 1)[0]!.slice(0, MAX_MESSAGE))
  cause.name = name
  if (stack !== undefined) cause.stack = stack
  return cause
}
