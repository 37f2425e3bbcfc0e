import { abortError } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'

/**
 * Waits for `promise`. As soon as a signal aborts, the wait ends with a rejection. Rejects with
 * ABORTED if `signal` aborts. If a signal of `others` aborts first, rejects with the reason of that
 * signal. The NATS request continues, because NATS cannot cancel a request.
 */
export function raced<T>(
  promise: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
  ...others: readonly AbortSignal[]
): Promise<T> {
  return orAborted(promise, [signal, ...others], (each) => (each === signal ? abortError(each, what) : each.reason))
}
