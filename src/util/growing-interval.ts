import { Doubling } from './back-off.js'
import { monotonicMs } from './monotonic.js'

/** The default of the first interval, and the longest interval, in milliseconds. */
const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/**
 * Decides when a condition that lasts is reported again. The first report is immediate. The second
 * report follows after the first interval, which is one minute by default. Each further interval is
 * twice as long as the previous one, up to one hour.
 */
export class GrowingInterval {
  readonly #waits: Doubling
  #wait = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  /** `first` is the first interval in milliseconds. */
  constructor(first = FIRST_MS) {
    this.#waits = new Doubling(first, LONGEST_MS)
  }

  /**
   * Whether the condition should be reported at this moment. A call of `due` that returns true
   * counts as a report.
   */
  due(): boolean {
    const now = monotonicMs()
    if (now - this.#reportedAt < this.#wait) return false
    this.#reportedAt = now
    this.#wait = this.#waits.next()
    return true
  }

  /**
   * Records that the condition has ended. If the condition begins again later, it is reported
   * immediately.
   */
  reset(): void {
    this.#wait = 0
    this.#waits.reset()
    this.#reportedAt = Number.NEGATIVE_INFINITY
  }
}
