import pRetry from 'p-retry'
import { type ErrorCode, LitestreamError } from '../errors.js'
import { abortError, linkAbort } from '../util/abort.js'
import { pause } from '../util/pause.js'
import { startTimer } from '../util/timers.js'
import type { RequestPolicy } from './request-policy.js'

/** Faults that may pass. Everything else would fail again, so it is thrown at once. */
const PASSING: readonly ErrorCode[] = ['THROTTLED', 'UNAVAILABLE', 'TIMEOUT']

/** Milliseconds: the longest wait before attempt n+1 is BASE * 2^n up to CAP, the actual one any part of it ("full jitter"). */
const BASE = 50
const CAP = 5_000

/** A store under load is given more room. */
const THROTTLED_BASE = 500

/** What the store itself asked for (Retry-After), in milliseconds, by the error that carried it. */
const retryAfter = new WeakMap<LitestreamError, number>()

export function setRetryAfter(error: LitestreamError, milliseconds: number): void {
  retryAfter.set(error, milliseconds)
}

export interface RetryOptions {
  readonly policy: RequestPolicy
  /** For the message of ABORTED: "reading s3://…". */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  readonly onRetry: () => void
  /** When the operation last moved, by `performance.now()`; its budget runs from there. Default: when this was called. */
  readonly lastProgress?: () => number
}

/**
 * Runs `attempt` until it succeeds, fails for good, or the policy's attempts or budget are used up; then throws the last error.
 * `attempt` must throw LitestreamErrors. It is told how many attempts went before.
 */
export async function retrying<T>(attempt: (before: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { policy, what, signal, onRetry } = options
  const start = performance.now()
  const spent = () => performance.now() - (options.lastProgress?.() ?? start)
  return pRetry((attemptNumber) => attempt(attemptNumber - 1), {
    retries: policy.attempts - 1,
    minTimeout: 0,
    onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
      if (signal?.aborted) throw abortError(signal, what)
      if (!(error instanceof LitestreamError) || !PASSING.includes(error.code) || retriesLeft === 0) throw error
      const base = error.code === 'THROTTLED' ? THROTTLED_BASE : BASE
      const wait = retryAfter.get(error) ?? Math.random() * Math.min(CAP, base * 2 ** (attemptNumber - 1))
      if (spent() + wait > policy.budget) throw error
      onRetry()
      await pause(wait, signal)
      if (signal?.aborted) throw abortError(signal, what)
    },
  })
}

/** A signal that fires when `signal` does, or after `timeout` ms unless `settle` is called before. */
export function deadline(
  signal: AbortSignal | undefined,
  timeout: number,
): { signal: AbortSignal; passed: () => boolean; settle: () => void } {
  const timer = new AbortController()
  const expiry = startTimer(timeout, () =>
    timer.abort(new DOMException(`no answer within ${timeout} ms`, 'TimeoutError')),
  )
  const unlink = linkAbort(signal, timer)
  let passed = false
  timer.signal.addEventListener('abort', () => {
    passed = !signal?.aborted
  })
  return {
    signal: timer.signal,
    passed: () => passed,
    settle: () => {
      expiry.stop()
      unlink()
    },
  }
}
