import { LitestreamError } from '../errors.js'
import { linkAbort, orAborted } from './abort.js'
import { type Duration, tryParseDuration } from './duration.js'
import { startTimer } from './timers.js'

/** How long a caller waits for a promise that depends on a store. */
export interface WaitOptions {
  /** Aborts the operation; its promise then rejects. */
  readonly signal?: AbortSignal | undefined
  /** Time after which the operation fails with TIMEOUT; default: no deadline. */
  readonly timeout?: Duration | undefined
}

/** `timeout` in milliseconds. Throws INVALID_ARGUMENT. */
function readTimeout(timeout: unknown): number | undefined {
  if (timeout === undefined) return undefined
  const ms = typeof timeout === 'string' ? tryParseDuration(timeout) : timeout
  if (typeof ms === 'number' && ms > 0) return ms
  throw new LitestreamError('INVALID_ARGUMENT', 'timeout must be a duration above 0', {
    hint: 'Pass milliseconds or text, such as 30_000 or "30s", or omit `timeout` to wait without a deadline.',
  })
}

/**
 * Runs `work` with a signal that aborts with the caller's signal or at the deadline. At the
 * deadline the promise rejects with TIMEOUT, which names `what`. `abandon`: the promise rejects
 * immediately, whether or not the work obeys the signal; otherwise when the work has ended, so that
 * it can clean up.
 */
export async function withDeadline<T>(
  what: string,
  { signal, timeout: given }: WaitOptions,
  work: (signal: AbortSignal | undefined) => Promise<T>,
  options: { readonly abandon?: boolean } = {},
): Promise<T> {
  const timeout = readTimeout(given)
  const { abandon = false } = options
  if (timeout === undefined) return abandon ? orAborted(work(signal), signal) : work(signal)
  const deadline = new AbortController()
  const late = new LitestreamError('TIMEOUT', `${what}: not finished within ${timeout} ms`, {
    hint: 'Check that the store responds, or raise `timeout`.',
  })
  let passed = false
  const timer = startTimer(timeout, () => {
    passed = !deadline.signal.aborted
    deadline.abort(late)
  })
  const unlink = linkAbort(signal, deadline)
  try {
    const running = work(deadline.signal)
    return await (abandon ? orAborted(running, deadline.signal) : running)
  } catch (error) {
    throw passed ? late : error
  } finally {
    timer.stop()
    unlink()
  }
}
