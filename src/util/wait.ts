import { LitestreamError } from '../errors.js'
import { linkAbort, orAborted } from './abort.js'
import { startTimer } from './timers.js'

/** How long a caller waits for a promise that depends on a store. */
export interface WaitOptions {
  /** Aborts the operation; its promise then rejects. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds after which the operation fails with TIMEOUT; default: no deadline. */
  readonly timeout?: number | undefined
}

/** `timeout` if it is a number of milliseconds. Throws INVALID_ARGUMENT. */
function checkTimeout(timeout: unknown): void {
  if (timeout === undefined || (typeof timeout === 'number' && timeout > 0)) return
  throw new LitestreamError('INVALID_ARGUMENT', `timeout must be a number of milliseconds above 0, not ${timeout}`, {
    hint: 'Pass a number such as 30_000, or omit `timeout` to wait without a deadline.',
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
  { signal, timeout }: WaitOptions,
  work: (signal: AbortSignal | undefined) => Promise<T>,
  options: { readonly abandon?: boolean } = {},
): Promise<T> {
  checkTimeout(timeout)
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
