import type { ErrorCode } from '../../errors.js'

/**
 * Maps the store's error codes to those of this package. The codes come from the lists of error
 * responses of the S3 API and of RADOS Gateway.
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

const OTHER_REGION =
  'Set the region of the bucket with `region` (`?region=…` in the replica URL): the bucket is in another region.'

const RIGHTS =
  'Give the credentials s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on this bucket; check the policy of the bucket and the policies of the credentials.'

/** The hints for the user, by the store's error code. */
export const HINTS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'Create the bucket, or correct its name in the replica URL.',
  SignatureDoesNotMatch: 'Correct the access key id and the secret access key: the two keys do not belong together.',
  InvalidAccessKeyId: 'Check the access key id and the endpoint: the store does not know this access key id.',
  RequestTimeTooSkewed: 'Set the clock of this machine, which differs too much from the clock of the store.',
  ExpiredToken: 'Renew the temporary credentials, which have expired.',
  InvalidToken:
    'Renew the credentials together with the session token: the credentials and the token do not belong together.',
  AccessDenied: RIGHTS,
  CredentialsProviderError: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use any other source of the AWS SDK.',
  PermanentRedirect: OTHER_REGION,
  TemporaryRedirect: OTHER_REGION,
  AuthorizationHeaderMalformed: OTHER_REGION,
  IllegalLocationConstraintException: OTHER_REGION,
  TimeoutError: 'Check the network between this machine and the store, and check that the store is not overloaded.',
  InvalidBucketName: 'Correct the name of the bucket in the replica URL.',
  InvalidObjectState: 'Restore the object from the archive storage class.',
  EntityTooLarge: 'Set `part-size` below the largest object size of the store.',
  SecondLevelDomainForbidden: 'Remove `force-path-style`: the service wants the bucket in the host name.',
  MethodNotAllowed: 'Check the endpoint: the server does not accept this kind of request.',
  QuotaExceeded: 'Free space in the bucket, or raise the quota of the bucket.',
  KMSNotFoundException: 'Check sse-kms-key-id: the store does not have this key.',
}

/** Returns the hint for the HTTP status of an error whose code is not in HINTS. */
export function hintByStatus(status: number): string | undefined {
  if (status >= 300 && status < 400) return OTHER_REGION
  if (status === 401 || status === 403) return RIGHTS
  if (status === 404) return 'Check the bucket, the path and the endpoint of the replica URL.'
  if (status === 412)
    return 'Check that only one primary replicates to this URL: another process wrote the object first.'
  if (status === 416)
    return 'Repeat the operation. If the operation fails again, run `litestream-ts verify` on the replica.'
  if (status === 408 || status === 429)
    return 'Replicate fewer databases or use longer intervals: the store throttles requests.'
  if (status === 501)
    return 'Use another store, or a newer version of this store: the store does not implement the request.'
  if (status >= 500) return 'Check the log or the status page of the store: the store reports an internal error.'
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
