import { abortError } from '../../util/abort.js'
import { orAborted } from '../../util/or-aborted.js'

/**
 * Waits for `promise`. The wait ends with a rejection as soon as one of the signals aborts. Rejects
 * with ABORTED if `signal` aborts. If a signal of `others` aborts first, rejects with the reason of
 * that signal. After the rejection, the NATS request continues, because NATS cannot cancel a
 * request.
 */
export function raced<T>(
  promise: Promise<T>,
  what: string,
  signal: AbortSignal | undefined,
  ...others: readonly AbortSignal[]
): Promise<T> {
  return orAborted(promise, [signal, ...others], (each) => (each === signal ? abortError(each, what) : each.reason))
}
