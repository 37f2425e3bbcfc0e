import type { LitestreamError } from '../errors.js'
import { formatDuration } from '../util/duration.js'
import { elapsedMs } from '../util/elapsed.js'
import { GrowingInterval } from '../util/growing-interval.js'

/** A report that a store answers none of a client's requests, or that the store answers again. */
export interface StoreOutage {
  /** The URL of the replica. The URL contains no credentials. */
  readonly replica: string
  /** The error of the latest attempt, or undefined if the store answers again. */
  readonly error?: LitestreamError
  /** Number of attempts without an answer since the outage began. */
  readonly failures: number
  /** Milliseconds since the first attempt without an answer began. */
  readonly durationMs: number
  /** Milliseconds until the next attempt, or undefined if the store answers again. */
  readonly retryMs?: number
}

export type OutageListener = (outage: StoreOutage) => void

/**
 * If the store answers no request for this many milliseconds, the client reports an outage. An
 * interruption shorter than REPORTED_AFTER_MS is normal and not reported.
 */
const REPORTED_AFTER_MS = 1000
/**
 * Milliseconds between the first and the second report of an outage. Each later interval between
 * two reports is twice the previous interval, up to an hour.
 */
const REPEATED_AFTER_MS = 10_000

/**
 * Watches the attempts of one client and reports outages of its store. The first report comes
 * before an attempt that begins more than a second after the first unanswered attempt began.
 * Further reports follow at growing intervals. The final report follows when the store answers
 * again.
 */
export class OutageWatch {
  readonly #replica: string
  readonly #listener: OutageListener
  readonly #reports = new GrowingInterval(REPEATED_AFTER_MS)
  /**
   * Time at which the first unanswered attempt of the outage began, as a value of `elapsedMs()`.
   */
  #since: number | undefined
  #failures = 0
  #isReported = false

  constructor(replica: string, listener: OutageListener) {
    this.#replica = replica
    this.#listener = listener
  }

  /**
   * Records an attempt that the store has not answered. `startedAt` is the time at which the
   * attempt began. `retryMs` is the time until the next attempt. `retryMs` is undefined if the
   * client makes no more attempts.
   */
  failed(error: LitestreamError, startedAt: number, retryMs: number | undefined): void {
    this.#since ??= startedAt
    this.#failures++
    const durationMs = elapsedMs() - this.#since
    if (retryMs === undefined || durationMs + retryMs < REPORTED_AFTER_MS || !this.#reports.due()) return
    this.#isReported = true
    this.#listener({ replica: this.#replica, error, failures: this.#failures, durationMs, retryMs })
  }

  /**
   * Records that the store has answered a request. A response in which the store refuses the
   * request is an answer too.
   */
  answered(): void {
    if (this.#since === undefined) return
    const ended = { replica: this.#replica, failures: this.#failures, durationMs: elapsedMs() - this.#since }
    const wasReported = this.#isReported
    this.#since = undefined
    this.#failures = 0
    this.#isReported = false
    this.#reports.reset()
    if (wasReported) this.#listener(ended)
  }
}

/** Describes an outage for a user on one line. */
export function outageText({ replica, error, durationMs, retryMs = 0 }: StoreOutage): string {
  if (error === undefined) return `the store of ${replica} answers again, after ${roundedDuration(durationMs)}`
  return `the store does not answer: ${error.message}; next attempt in ${roundedDuration(retryMs)}`
}

/** Formats a duration for a user, rounded to a tenth of a second. */
export function roundedDuration(ms: number): string {
  return formatDuration(Math.max(100, Math.round(ms / 100) * 100))
}

let listener: OutageListener = (outage) => {
  const { error } = outage
  if (error === undefined) return
  process.emitWarning(outageText(outage), { type: 'LitestreamWarning', code: error.code, detail: error.hint })
}

/**
 * Reports an outage of a client whose options have no `onOutage`. By default, reportOutage() emits
 * a process warning of the type LitestreamWarning. reportOutagesTo() replaces the process warning
 * by another function.
 */
export const reportOutage: OutageListener = (outage) => listener(outage)

/** Sets the function to which this thread reports the outages of clients without `onOutage`. */
export function reportOutagesTo(program: OutageListener): void {
  listener = program
}
