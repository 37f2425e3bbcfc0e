import type { LitestreamError } from '../errors.js'
import { formatDuration } from '../util/duration.js'
import { elapsedMs } from '../util/elapsed.js'
import { GrowingInterval } from '../util/growing-interval.js'

/** A store that answers none of a client's requests, or answers again. */
export interface StoreOutage {
  /** The URL of the replica, without credentials. */
  readonly replica: string
  /** The last failure; undefined: the store answers again. */
  readonly error?: LitestreamError
  /** Number of attempts that failed since the last answer. */
  readonly failures: number
  /** Time since the first of these attempts began, in milliseconds. */
  readonly durationMs: number
  /** Time until the next attempt, in milliseconds; undefined with the end. */
  readonly retryMs?: number
}

export type OutageListener = (outage: StoreOutage) => void

/** Milliseconds without an answer after which an outage is reported: a shorter one is a hiccup. */
const REPORTED_AFTER_MS = 1000
/** Milliseconds until an outage is reported again; doubled each time, up to an hour. */
const REPEATED_AFTER_MS = 10_000

/**
 * Watches the attempts of one client. While none of them is answered, it reports the outage: before
 * the first wait that ends more than a second after the first failed attempt began, then at growing
 * intervals, and when the store answers again.
 */
export class OutageWatch {
  readonly #replica: string
  readonly #listener: OutageListener
  readonly #reports = new GrowingInterval(REPEATED_AFTER_MS)
  /** When the first attempt without an answer began, by `elapsedMs()`. */
  #since: number | undefined
  #failures = 0
  #isReported = false

  constructor(replica: string, listener: OutageListener) {
    this.#replica = replica
    this.#listener = listener
  }

  /**
   * An attempt that began at `startedAt` was not answered. `retryMs`: time until the next one;
   * undefined if the caller gets the error instead.
   */
  failed(error: LitestreamError, startedAt: number, retryMs: number | undefined): void {
    this.#since ??= startedAt
    this.#failures++
    const durationMs = elapsedMs() - this.#since
    if (retryMs === undefined || durationMs + retryMs < REPORTED_AFTER_MS || !this.#reports.due()) return
    this.#isReported = true
    this.#listener({ replica: this.#replica, error, failures: this.#failures, durationMs, retryMs })
  }

  /** The store answered a request, possibly with a refusal. */
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

/** What an outage means to a user, on one line. */
export function outageText({ replica, error, durationMs, retryMs = 0 }: StoreOutage): string {
  if (error === undefined) return `the store of ${replica} answers again, after ${roundedDuration(durationMs)}`
  return `the store does not answer: ${error.message}; next attempt in ${roundedDuration(retryMs)}`
}

/** A duration for users, to a tenth of a second. */
export function roundedDuration(ms: number): string {
  return formatDuration(Math.max(100, Math.round(ms / 100) * 100))
}

let listener: OutageListener = (outage) => {
  const { error } = outage
  if (error === undefined) return
  process.emitWarning(outageText(outage), { type: 'LitestreamWarning', code: error.code, detail: error.hint })
}

/**
 * Reports an outage of a client without a listener of its own: a process warning of the type
 * LitestreamWarning, unless the program has set another way.
 */
export const reportOutage: OutageListener = (outage) => listener(outage)

/** Sets how this thread reports the outages of clients without a listener of their own. */
export function reportOutagesTo(program: OutageListener): void {
  listener = program
}
