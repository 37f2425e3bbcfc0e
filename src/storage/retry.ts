import { type ErrorCode, LitestreamError } from '../errors.js'
import { abortError, linkAbort } from '../util/abort.js'
import { jitteredDelay } from '../util/back-off.js'
import { elapsedMs } from '../util/elapsed.js'
import { pause } from '../util/pause.js'
import { startTimer } from '../util/timers.js'
import type { OperationCounters } from './operation-counters.js'
import type { Operation } from './replica-client.js'
import type { RequestPolicy } from './request-policy.js'

/**
 * Error codes of faults that may be temporary. After an error with any other code, a retry would
 * fail too, so the client does not retry.
 */
const PASSING: readonly ErrorCode[] = ['THROTTLED', 'UNAVAILABLE', 'TIMEOUT']

/** Whether a request that failed with this error may succeed if it is sent again later. */
export function isPassing(error: unknown): boolean {
  return error instanceof LitestreamError && PASSING.includes(error.code)
}

/** Shortest and longest back-off in milliseconds, before full jitter (jitteredDelay). */
const BASE = 50
const CAP = 5_000

/** Shortest back-off in milliseconds for a store that throttles. */
const THROTTLED_BASE = 500

/**
 * The waits in milliseconds that stores have requested with Retry-After, by the error of the
 * response that contained the header.
 */
const retryAfter = new WeakMap<LitestreamError, number>()

export function setRetryAfter(error: LitestreamError, milliseconds: number): void {
  retryAfter.set(error, milliseconds)
}

/** The final errors of requests that the client has sent more than once. */
const repeated = new WeakSet<LitestreamError>()

/**
 * Whether a request that failed with this error may still have succeeded. If the response to an
 * earlier attempt was lost, the store may have carried out the earlier attempt, although the store
 * refused the final attempt.
 */
export function mayHaveSucceeded(error: LitestreamError): boolean {
  return isPassing(error) || repeated.has(error)
}

export interface RetryOptions {
  readonly policy: RequestPolicy
  /** Words for the message of the error ABORTED, such as "reading s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** Aborts when the client is closed. No attempt begins after `closing` has aborted. */
  readonly closing?: AbortSignal | undefined
  readonly counters: OperationCounters
  /**
   * The kind of request under which the retries are counted, or undefined for a connection attempt.
   * Connection attempts are not counted.
   */
  readonly operation: Operation | undefined
  /**
   * Returns the time of the operation's latest progress, as a value of `elapsedMs()`. The budget of
   * the policy counts from the time that `lastProgress` returns. Without `lastProgress`, the budget
   * counts from the call of retrying().
   */
  readonly lastProgress?: () => number
}

/**
 * Repeats `attempt` until an attempt succeeds or fails permanently, or until the attempts or the
 * budget of the policy are used up. Throws the error of the final attempt if no attempt has
 * succeeded. `attempt` receives the number of previous attempts, and must reject with
 * LitestreamErrors only. For the thrown error, mayHaveSucceeded() says whether the request may have
 * succeeded nevertheless. retrying() also reports outages of a store that does not answer
 * (outage.ts).
 */
export async function retrying<T>(attempt: (before: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { policy, what, signal, closing, operation, counters } = options
  const { outages } = counters
  const start = elapsedMs()
  const spent = () => elapsedMs() - (options.lastProgress?.() ?? start)
  const throwIfEnded = () => {
    if (signal?.aborted) throw abortError(signal, what)
    if (closing?.aborted) throw closing.reason
  }
  for (let before = 0; ; before++) {
    throwIfEnded()
    const attemptAt = elapsedMs()
    try {
      const result = await attempt(before)
      outages.answered()
      return result
    } catch (thrown) {
      throwIfEnded()
      const error = thrown as LitestreamError
      if (before > 0) repeated.add(error)
      if (!isPassing(error)) {
        outages.answered()
        throw error
      }
      const base = error.code === 'THROTTLED' ? THROTTLED_BASE : BASE
      const wait = retryAfter.get(error) ?? jitteredDelay(before + 1, base, CAP)
      const isLast = before + 1 >= policy.attempts || spent() + wait > policy.budget
      outages.failed(error, attemptAt, isLast ? undefined : wait)
      if (isLast) throw error
      if (operation !== undefined) counters.retry(operation)
      await pause(wait, signal, closing)
    }
  }
}

/**
 * Returns a signal that aborts when one of `signals` aborts, or after `timeout` milliseconds. A
 * call of `settle` before the timeout cancels the timeout.
 */
export function deadline(
  timeout: number,
  ...signals: readonly (AbortSignal | undefined)[]
): { signal: AbortSignal; passed: () => boolean; settle: () => void } {
  const timer = new AbortController()
  let passed = false
  const expiry = startTimer(timeout, () => {
    passed = !timer.signal.aborted
    timer.abort(new DOMException(`no answer within ${timeout} ms`, 'TimeoutError'))
  })
  const unlinks = signals.map((signal) => linkAbort(signal, timer))
  return {
    signal: timer.signal,
    passed: () => passed,
    settle: () => {
      expiry.stop()
      for (const unlink of unlinks) unlink()
    },
  }
}
