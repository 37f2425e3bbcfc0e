import { LitestreamError } from '../errors.js'

/** ABORTED, with the signal's reason as cause. `what` says what was given up, e.g. "reading ltx/0/…". */
export function abortError(signal: AbortSignal, what: string): LitestreamError {
  return new LitestreamError('ABORTED', `${what} was cancelled`, { cause: signal.reason })
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortError(signal, what)
}
