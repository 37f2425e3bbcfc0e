import { Pending } from './pending.js'

/**
 * Settles as `promise` settles, but rejects as soon as one of the signals aborts. After an abort,
 * rejects with `toError(signal)`. By default, `toError` returns the reason of the signal. After an
 * abort, the work behind the promise continues.
 */
export function orAborted<T>(
  promise: Promise<T>,
  signals: AbortSignal | undefined | readonly (AbortSignal | undefined)[],
  toError: (signal: AbortSignal) => unknown = ({ reason }) => reason,
): Promise<T> {
  const all = (Array.isArray(signals) ? signals : [signals]).filter((signal) => signal !== undefined)
  if (all.length === 0) return promise
  const pending = new Pending<T>()
  for (const signal of all) pending.onAbort(signal, () => pending.reject(toError(signal)))
  pending.follow(promise)
  return pending.promise
}
