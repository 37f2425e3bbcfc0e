import { type ErrorDetails, LitestreamError } from '../../errors.js'

const noBuckets = new WeakSet<object>()

/** Returns a NOT_FOUND error for a missing bucket or container. */
export function noBucketError(message: string, details: ErrorDetails): LitestreamError {
  const error = new LitestreamError('NOT_FOUND', message, details)
  noBuckets.add(error)
  return error
}

/** Whether `noBucketError` has created `error`. */
export function isNoBucket(error: LitestreamError): boolean {
  return noBuckets.has(error)
}
