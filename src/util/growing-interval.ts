import { monotonicMs } from './monotonic.js'

/** Milliseconds. */
const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/**
 * Decides when a lasting condition is reported again: immediately, then after the first interval
 * (default: one minute), twice that, four times, up to every hour.
 */
export class GrowingInterval {
  readonly #first: number
  #wait = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  /** `first`: milliseconds. */
  constructor(first = FIRST_MS) {
    this.#first = first
  }

  /** Whether the condition should be reported now; if so, counts it as reported. */
  due(): boolean {
    const now = monotonicMs()
    if (now - this.#reportedAt < this.#wait) return false
    this.#reportedAt = now
    this.#wait = this.#wait === 0 ? this.#first : Math.min(LONGEST_MS, this.#wait * 2)
    return true
  }

  /** The condition has ended: the next one is reported immediately. */
  reset(): void {
    this.#wait = 0
    this.#reportedAt = Number.NEGATIVE_INFINITY
  }
}
