import { type ErrorCode, LitestreamError } from '../../errors.js'
import { clockSkew } from '../clock-skew.js'
import { networkCode, networkFailure } from '../network-errors.js'
import { noBucketError } from '../objects/no-bucket.js'
import type { Attempted } from '../objects/object-store.js'
import { setRetryAfter } from '../retry.js'

/**
 * An error of Azure's library. The error contains the service's response, unless the request failed
 * before the service responded.
 */
interface RestError extends Error {
  readonly code?: string
  readonly statusCode?: number
  readonly details?: { readonly errorCode?: string }
  readonly response?: { readonly headers?: { get(name: string): string | undefined } }
}

/** Maximum number of characters of the service's text in an error message. */
const MAX_MESSAGE = 500

/**
 * Maps Azure's error codes to those of this package. Sources are "Blob service error codes" and
 * "Common REST API error codes".
 */
const CODES: Readonly<Record<string, ErrorCode>> = {
  BlobAlreadyExists: 'PRECONDITION_FAILED',
  ConditionNotMet: 'PRECONDITION_FAILED',
  TargetConditionNotMet: 'PRECONDITION_FAILED',
  UnauthorizedBlobOverwrite: 'PRECONDITION_FAILED', // a signature that may create and not write
  BlobNotFound: 'NOT_FOUND',
  ResourceNotFound: 'NOT_FOUND',
  ContainerBeingDeleted: 'UNAVAILABLE',
  InvalidRange: 'INVALID_ARGUMENT',
  ServerBusy: 'THROTTLED',
  TooManyRequests: 'THROTTLED',
  OperationTimedOut: 'UNAVAILABLE',
  InternalError: 'UNAVAILABLE',
  PARSE_ERROR: 'UNAVAILABLE', // a reply that stops in the middle
  REQUEST_SEND_ERROR: 'UNAVAILABLE',
}

const CREDENTIALS =
  'Set `sas-token` or `account-key` (LITESTREAM_AZURE_SAS_TOKEN, LITESTREAM_AZURE_ACCOUNT_KEY), the AZURE_* variables of a service principal, or run `az login`.'

const RIGHTS =
  'Give the identity the role "Storage Blob Data Contributor" on the container; a SAS token needs the permissions rwdlc (read, write, delete, list, create).'

/**
 * Azure's error codes for a signature or token that is used before or after its period of validity.
 * Azure also returns the codes in SIGNED for faults that have nothing to do with the time.
 */
const SIGNED: ReadonlySet<string | undefined> = new Set(['AuthenticationFailed', 'InvalidAuthenticationInfo'])

/**
 * The hints for the user. The key of each hint is the Azure error code to which the hint belongs.
 */
const HINTS: Readonly<Record<string, string>> = {
  AuthenticationFailed:
    'Check that the key or SAS token belongs to the account and has not expired, and check the clock of this machine.',
  AuthorizationFailure: `Check the key or SAS token, and the network rules of the storage account. ${RIGHTS}`,
  AuthorizationPermissionMismatch: RIGHTS,
  AuthorizationServiceMismatch: 'Create a SAS token that allows the service "Blob" (ss=b).',
  AuthorizationResourceTypeMismatch: 'Create a SAS token that allows the resource types container and object (srt=co).',
  InsufficientAccountPermissions: RIGHTS,
  InvalidAuthenticationInfo: CREDENTIALS,
  NoAuthenticationInformation: CREDENTIALS,
  PublicAccessNotPermitted: CREDENTIALS,
  KeyBasedAuthenticationNotPermitted:
    'Remove `account-key` and use an identity (`az login`, AZURE_* variables), or allow shared keys for the account.',
  AccountIsDisabled: 'Check the subscription: the storage account is disabled.',
  LeaseIdMissing: 'Break the lease of the blob, which another program holds.',
  BlobImmutableDueToPolicy: 'Set `retention.enabled: false`, or remove the immutability policy of the container.',
  SnapshotsPresent: 'Delete the snapshots of the blob, which retention does not delete, and turn snapshots off.',
  BlobArchived: 'Rehydrate the archived blob, and exclude the replica from the lifecycle rule.',
  UnsupportedHeader: 'Check the endpoint: the service is older than the client library needs.',
  InvalidHeaderValue: 'Check the endpoint: the service is older than the client library needs.',
}

const AUTHORITY =
  'Set NODE_EXTRA_CA_CERTS to a file with the authority that signed the certificate, or correct the host of the endpoint.'

/** Converts the error of a failed Azure Blob Storage request to a LitestreamError. */
export function absError(thrown: unknown, { doing, target }: Attempted, endpoint: string): LitestreamError {
  if (thrown instanceof LitestreamError) return thrown
  const error = thrown as RestError
  const { statusCode: status } = error
  const name = serviceCode(error)
  const cause = shortened(error, name)
  const network = status === undefined ? networkFailure(thrown, AUTHORITY) : undefined
  if (network !== undefined) {
    const text = `${doing} ${target} failed: ${networkCode(thrown)} (endpoint ${endpoint})`
    return new LitestreamError(network.code, text, { cause, file: target, hint: network.hint })
  }
  const requestId = error.response?.headers?.get('x-ms-request-id')
  const details = { cause, file: target, ...(requestId !== undefined && { requestId }) }
  const skew = SIGNED.has(name) ? clockSkew(error.response?.headers?.get('date')) : undefined
  const message = `${doing} ${target} failed: ${messageOf(error, name)}${skew?.text ?? ''}`
  if (name === 'ContainerNotFound') {
    return noBucketError(message, {
      ...details,
      hint: 'Create the container, or correct its name in the replica URL.',
    })
  }
  if (isCredentialsError(error)) {
    return new LitestreamError(
      'ACCESS_DENIED',
      `${doing} ${target} failed: no credentials could be obtained: ${cause.message}`,
      {
        ...details,
        hint: CREDENTIALS,
      },
    )
  }
  const hint = skew?.hint ?? (name === undefined ? undefined : HINTS[name]) ?? hintByStatus(status)
  const converted = new LitestreamError(
    codeOf(error, name),
    message,
    hint === undefined ? details : { ...details, hint },
  )
  const wait = Number(error.response?.headers?.get('retry-after'))
  if (wait > 0) setRetryAfter(converted, wait * 1000)
  return converted
}

/**
 * Whether the commit failed because Azure does not have some of the blocks. Azure discards the
 * blocks of an upload when another upload commits a blob of the same name.
 */
export function isBlockListError(error: LitestreamError): boolean {
  return error.cause instanceof Error && error.cause.name === 'InvalidBlockList'
}

/**
 * Returns Azure's error code. A response to a HEAD request contains the error code in a header,
 * because the response has no body.
 */
function serviceCode({ code, details, response, statusCode }: RestError): string | undefined {
  return (
    code ??
    details?.errorCode ??
    response?.headers?.get('x-ms-error-code') ??
    (statusCode ? `HTTP ${statusCode}` : undefined)
  )
}

/**
 * Returns the error code and Azure's error text on one line of limited length. messageOf() drops
 * all lines of Azure's text after the first line. The dropped lines contain request IDs and times.
 */
function messageOf({ message, name }: RestError, code: string | undefined): string {
  const said = message.split('\n', 1)[0]!.trim().slice(0, MAX_MESSAGE)
  if (code === undefined) return said || name
  return said === '' || said.startsWith('{') ? code : said.includes(code) ? said : `${code}: ${said}`
}

/** Whether the error comes from Azure's credential library. */
function isCredentialsError({ name }: RestError): boolean {
  return /^(CredentialUnavailableError|AuthenticationError|AggregateAuthenticationError|AuthenticationRequiredError)$/.test(
    name,
  )
}

function codeOf({ message, name, statusCode }: RestError, code: string | undefined): ErrorCode {
  const known = code === undefined ? undefined : CODES[code]
  if (known !== undefined) return known
  if (statusCode !== undefined) return codeByStatus(statusCode)
  // The error of an interrupted body has no error code.
  const broken = name === 'AbortError' || /aborted|premature|socket hang up|less data than required/i.test(message)
  return broken ? 'UNAVAILABLE' : 'STORAGE_FAILED'
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

function hintByStatus(status: number | undefined): string | undefined {
  if (status === 401) return CREDENTIALS
  if (status === 403) return RIGHTS
  if (status === 404) return 'Check the container, the path and the endpoint of the replica URL.'
  if (status === 409 || status === 412)
    return 'Check that only one primary replicates to this URL: another process wrote the blob first.'
  if (status === 429 || status === 503)
    return 'Replicate fewer databases or use longer intervals: the service throttles requests.'
  if (status !== undefined && status >= 500)
    return 'Check the status page of Azure: the service reports an internal error.'
  return undefined
}

/**
 * Copies only name, message and stack of the library's error, because the error itself contains the
 * whole request with its headers.
 */
function shortened({ message, name, stack }: RestError, code: string | undefined): Error {
  const cause = new Error(message.split('\n', 1)[0]!.slice(0, MAX_MESSAGE))
  cause.name = code ?? name
  if (stack !== undefined) cause.stack = stack
  return cause
}
