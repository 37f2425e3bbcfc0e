import type { ErrorCode } from '../../errors.js'

/**
 * Maps the service's error codes. Source: the S3 API's list of error responses, and those of RADOS
 * Gateway.
 */
export const CODES: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'NOT_FOUND',
  NoSuchBucket: 'NOT_FOUND',
  NotFound: 'NOT_FOUND',
  CredentialsProviderError: 'ACCESS_DENIED',
  ExpiredToken: 'ACCESS_DENIED',
  InvalidToken: 'ACCESS_DENIED',
  PreconditionFailed: 'PRECONDITION_FAILED',
  FileAlreadyExists: 'PRECONDITION_FAILED', // OSS, to x-oss-forbid-overwrite
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

const OTHER_REGION = 'The bucket is in another region; set its region with `region` (`?region=…` in the replica URL).'

const RIGHTS =
  'The credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on this bucket; check its policy and their own.'

/** The next step, by a service's error code. */
export const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'Create the bucket, or correct its name in the replica URL.',
  SignatureDoesNotMatch: 'The secret access key does not belong to the access key id; check both.',
  InvalidAccessKeyId: 'The store does not know this access key id; check it, and that the endpoint is the right one.',
  RequestTimeTooSkewed: 'The clock of this machine is wrong; set it.',
  ExpiredToken: 'The temporary credentials have expired; renew them.',
  InvalidToken: 'The session token does not belong to the credentials; renew them together.',
  AccessDenied: RIGHTS,
  CredentialsProviderError: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or any other source the AWS SDK knows.',
  PermanentRedirect: OTHER_REGION,
  TemporaryRedirect: OTHER_REGION,
  AuthorizationHeaderMalformed: OTHER_REGION,
  IllegalLocationConstraintException: OTHER_REGION,
  TimeoutError: 'Check the network between this machine and the store, and that the store is not overloaded.',
  InvalidBucketName: 'Correct the name of the bucket in the replica URL.',
  InvalidObjectState: 'The object is archived; restore it from the archive first.',
  EntityTooLarge: 'Set `part-size` below the largest object that the store takes.',
  SecondLevelDomainForbidden: 'Remove `force-path-style`: the service wants the bucket in the host name.',
  MethodNotAllowed: 'Check the endpoint: the store does not take this kind of request there.',
  QuotaExceeded: 'Free space in the bucket, or raise its quota.',
  KMSNotFoundException: 'Check sse-kms-key-id: the store does not find this key.',
}

/** The next step, by HTTP status, for errors whose code is not in HINTS. */
export function hintByStatus(status: number): string | undefined {
  if (status >= 300 && status < 400) return OTHER_REGION
  if (status === 401 || status === 403) return RIGHTS
  if (status === 404) return 'Check the bucket and the path of the replica URL, and the endpoint.'
  if (status === 412) return 'Another process wrote the object first; run one primary for a replica.'
  if (status === 416)
    return 'Repeat the command; if that does not help, verify the replica with `litestream-ts verify`.'
  if (status === 408 || status === 429)
    return 'The store asks for fewer requests; run fewer databases or longer intervals.'
  if (status === 501) return 'The store does not implement this request; use another store, or a newer version of it.'
  if (status >= 500) return 'The store has a fault of its own; look at its log or status page.'
  return undefined
}

export function codeByStatus(status: number): ErrorCode {
  if (status === 401 || status === 403 || status === 407) return 'ACCESS_DENIED'
  if (status === 404) return 'NOT_FOUND'
  if (status === 408) return 'TIMEOUT'
  if (status === 412) return 'PRECONDITION_FAILED'
  if (status === 416) return 'INVALID_ARGUMENT'
  if (status === 429) return 'THROTTLED'
  return status >= 500 && status !== 501 ? 'UNAVAILABLE' : 'STORAGE_FAILED'
}
