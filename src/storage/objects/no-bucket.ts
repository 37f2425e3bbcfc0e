import { type ErrorDetails, LitestreamError } from '../../errors.js'

const noBuckets = new WeakSet<object>()

/**
 * A NOT_FOUND error for the bucket or container itself, which does not mean that objects are
 * missing.
 */
export function noBucketError(message: string, details: ErrorDetails): LitestreamError {
  const error = new LitestreamError('NOT_FOUND', message, details)
  noBuckets.add(error)
  return error
}

/** Whether `error` is one of `noBucketError`. */
export function isNoBucket(error: LitestreamError): boolean {
  return noBuckets.has(error)
}
