import { Doubling } from './back-off.js'
import { monotonicMs } from './monotonic.js'

/** The default first interval and the longest interval, in milliseconds. */
const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/**
 * Decides when a lasting condition is reported again. The first report is immediate. The second
 * report follows after the first interval, which is one minute by default. Each further interval is
 * twice as long, up to one hour.
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
   * Whether the condition should be reported now. A call of `due` that returns true counts as a
   * report.
   */
  due(): boolean {
    const now = monotonicMs()
    if (now - this.#reportedAt < this.#wait) return false
    this.#reportedAt = now
    this.#wait = this.#waits.next()
    return true
  }

  /** Records that the condition has ended. The next condition is reported immediately. */
  reset(): void {
    this.#wait = 0
    this.#waits.reset()
    this.#reportedAt = Number.NEGATIVE_INFINITY
  }
}
