import { type ErrorDetails, LitestreamError } from '../../errors.js'

const noBuckets = new WeakSet<object>()

/** NOT_FOUND for the bucket or container itself, which says nothing of the objects in it. */
export function noBucketError(message: string, details: ErrorDetails): LitestreamError {
  const error = new LitestreamError('NOT_FOUND', message, details)
  noBuckets.add(error)
  return error
}

/** Whether `error` is one of `noBucketError`. */
export function isNoBucket(error: LitestreamError): boolean {
  return noBuckets.has(error)
}
