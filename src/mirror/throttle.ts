import { monotonicMs } from '../util/monotonic.js'
import { pause } from '../util/pause.js'

/** Longest single pause of a copy in milliseconds. An aborted signal ends a pause early. */
const LONGEST_WAIT_MS = 60_000

/** Limits how many bytes per second all copies of a mirror transfer together. */
export class Throttle {
  readonly #bytesPerMs: number
  /** Time at which the next bytes may be copied, as a value of `monotonicMs()`. */
  #paidAt = monotonicMs()

  /** If `bytesPerSecond` is undefined, the rate is not limited. */
  constructor(bytesPerSecond: number | undefined) {
    this.#bytesPerMs = bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000
  }

  /** Resolves when the rate limit allows `bytes` more bytes, or when `signal` aborts. */
  async pass(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return
    const now = monotonicMs()
    this.#paidAt = Math.max(this.#paidAt, now) + bytes / this.#bytesPerMs
    for (let wait = this.#paidAt - now; wait > 0 && !signal?.aborted; wait -= LONGEST_WAIT_MS) {
      await pause(Math.min(wait, LONGEST_WAIT_MS), signal)
    }
  }
}
