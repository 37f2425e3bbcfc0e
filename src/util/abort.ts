import { setMaxListeners } from 'node:events'
import { LitestreamError } from '../errors.js'

/** ABORTED, with the signal's reason as cause. `what` says what was given up, e.g. "reading ltx/0/…". */
export function abortError(signal: AbortSignal, what: string): LitestreamError {
  return new LitestreamError('ABORTED', `${what} was cancelled`, { cause: signal.reason })
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}

/** The promise, or a rejection with the signal's reason as soon as that is aborted; what the promise stands for goes on by itself. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * Aborts `controller` when `signal` does, with its reason. Returns how to end that, which must be called: the long-lived signal
 * would hold the controller. (AbortSignal.any leaves something behind in the long-lived signal for each call, on Node 20.)
 */
export function linkAbort(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    controller.abort(signal.reason)
    return () => {}
  }
  const onAbort = () => controller.abort(signal.reason)
  // As many as there are requests under way: no leak to warn of.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort, { once: true })
  return () => signal.removeEventListener('abort', onAbort)
}
