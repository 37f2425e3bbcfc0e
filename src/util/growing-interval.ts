import { Doubling } from './back-off.js'
import { monotonicMs } from './monotonic.js'

/** Milliseconds. */
const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/**
 * Decides when a lasting condition is reported again: immediately, then after the first interval
 * (default: one minute), twice that, four times, up to every hour.
 */
export class GrowingInterval {
  readonly #waits: Doubling
  #wait = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  /** `first`: milliseconds. */
  constructor(first = FIRST_MS) {
    this.#waits = new Doubling(first, LONGEST_MS)
  }

  /** Whether the condition should be reported now; if so, counts it as reported. */
  due(): boolean {
    const now = monotonicMs()
    if (now - this.#reportedAt < this.#wait) return false
    this.#reportedAt = now
    this.#wait = this.#waits.next()
    return true
  }

  /** The condition has ended: the next one is reported immediately. */
  reset(): void {
    this.#wait = 0
    this.#waits.reset()
    this.#reportedAt = Number.NEGATIVE_INFINITY
  }
}
