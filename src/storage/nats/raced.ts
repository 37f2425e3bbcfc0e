import { abortError, orAborted } from '../../util/abort.js'

/**
 * `promise`, or what ends the wait for it: ABORTED when `signal` fires, the reason of the first of `others` that does. The promise
 * itself goes on: NATS has no way to call a request back.
 */
export function raced<T>(
  promise: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
  ...others: readonly AbortSignal[]
): Promise<T> {
  return orAborted(promise, [signal, ...others], (each) => (each === signal ? abortError(each, what) : each.reason))
}
