import { LitestreamError } from '../errors.js'
import { linkAbort } from './abort.js'
import { type Duration, tryParseDuration } from './duration.js'
import { orAborted } from './or-aborted.js'
import { startTimer } from './timers.js'

/** Options that limit how long a caller waits for a promise that depends on a store. */
export interface WaitOptions {
  /** If the signal aborts, the operation ends, and its promise rejects. */
  readonly signal?: AbortSignal | undefined
  /** Time after which the operation fails with TIMEOUT, or undefined for no deadline. */
  readonly timeout?: Duration | undefined
}

/** Converts the option `timeout` to milliseconds. Throws INVALID_ARGUMENT. */
function readTimeout(timeout: unknown): number | undefined {
  if (timeout === undefined) return undefined
  const ms = typeof timeout === 'string' ? tryParseDuration(timeout) : timeout
  if (typeof ms === 'number' && ms > 0) return ms
  throw new LitestreamError('INVALID_ARGUMENT', 'timeout must be a duration above 0', {
    hint: 'Pass milliseconds or text, such as 30_000 or "30s", or omit `timeout` to wait without a deadline.',
  })
}

/**
 * Calls `work` with a signal. The signal for `work` aborts when the caller's signal aborts, and at
 * the deadline. At the deadline, withDeadline() rejects with TIMEOUT. The error message contains
 * `what`. If `abandon` is true, withDeadline() rejects immediately, even if the work ignores the
 * signal. Otherwise withDeadline() rejects only when the work has ended, so the work can clean up
 * first.
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
    hint: 'Check that the store responds, or raise the option `timeout`.',
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
