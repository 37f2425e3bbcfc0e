import pRetry from 'p-retry'
import { type ErrorCode, LitestreamError } from '../errors.js'
import { abortError, linkAbort } from '../util/abort.js'
import { jitteredDelay } from '../util/back-off.js'
import { elapsedMs } from '../util/elapsed.js'
import { pause } from '../util/pause.js'
import { startTimer } from '../util/timers.js'
import type { OperationCounters } from './operation-counters.js'
import type { Operation } from './replica-client.js'
import type { RequestPolicy } from './request-policy.js'

/** Faults that may be temporary. Any other error would occur again, so it is thrown immediately. */
const PASSING: readonly ErrorCode[] = ['THROTTLED', 'UNAVAILABLE', 'TIMEOUT']

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof LitestreamError && PASSING.includes(error.code)
}

/** First and longest back-off with full jitter (jitteredDelay), in milliseconds. */
const BASE = 50
const CAP = 5_000

/** A longer base for a store that throttles. */
const THROTTLED_BASE = 500

/** The wait requested by the store (Retry-After), in milliseconds, by the error that carried it. */
const retryAfter = new WeakMap<LitestreamError, number>()

export function setRetryAfter(error: LitestreamError, milliseconds: number): void {
  retryAfter.set(error, milliseconds)
}

/** Final errors of requests that were sent more than once. */
const repeated = new WeakSet<LitestreamError>()

/**
 * Whether a request that failed with this error was sent before without a response: the store may
 * have carried out that attempt, although it refused the last one.
 */
export function mayHaveSucceeded(error: LitestreamError): boolean {
  return isPassing(error) || repeated.has(error)
}

export interface RetryOptions {
  readonly policy: RequestPolicy
  /** For the message of ABORTED: "reading s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** Aborts when the client is closed: no attempt is made after that. */
  readonly closing?: AbortSignal | undefined
  readonly counters: OperationCounters
  /** The counted kind of request; undefined: connecting, which is not counted. */
  readonly operation: Operation | undefined
  /**
   * Time of the operation's last progress, by `elapsedMs()`, from which its budget counts.
   * Default: the time of this call.
   */
  readonly lastProgress?: () => number
}

/**
 * Runs `attempt` until it succeeds, fails permanently, or the policy's attempts or budget are
 * exhausted; then throws the last error. `attempt` must throw LitestreamErrors. `attempt` receives
 * the number of previous attempts. See mayHaveSucceeded. A store that does not answer is reported
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
  let attemptAt = 0
  const once = async (attemptNumber: number) => {
    attemptAt = elapsedMs()
    const result = await attempt(attemptNumber - 1)
    outages.answered()
    return result
  }
  return pRetry(once, {
    retries: policy.attempts - 1,
    minTimeout: 0,
    onFailedAttempt: async ({ error: thrown, attemptNumber, retriesLeft }) => {
      throwIfEnded()
      const error = thrown as LitestreamError
      if (attemptNumber > 1) repeated.add(error)
      if (!isPassing(error)) {
        outages.answered()
        throw error
      }
      const base = error.code === 'THROTTLED' ? THROTTLED_BASE : BASE
      const wait = retryAfter.get(error) ?? jitteredDelay(attemptNumber, base, CAP)
      const isLast = retriesLeft === 0 || spent() + wait > policy.budget
      outages.failed(error, attemptAt, isLast ? undefined : wait)
      if (isLast) throw error
      if (operation !== undefined) counters.retry(operation)
      await pause(wait, signal, closing)
      throwIfEnded()
    },
  })
}

/**
 * A signal that aborts when one of `signals` does, or after `timeout` ms, unless `settle` is called
 * before.
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
