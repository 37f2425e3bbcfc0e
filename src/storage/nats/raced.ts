import { abortError, orAborted } from '../../util/abort.js'

/**
 * `promise`, or a rejection that ends the wait: ABORTED when `signal` aborts, or the reason of the
 * first of `others` that aborts. The request itself continues, because NATS cannot cancel one.
 */
export function raced<T>(
  promise: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
  ...others: readonly AbortSignal[]
): Promise<T> {
  return orAborted(promise, [signal, ...others], (each) => (each === signal ? abortError(each, what) : each.reason))
}
