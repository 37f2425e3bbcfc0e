import { monotonicMs } from '../util/monotonic.js'
import { pause } from '../util/pause.js'

/** Longest single wait in milliseconds; a signal ends it earlier. */
const LONGEST_WAIT_MS = 60_000

/** Limits the bytes per second of all copies of a mirror together. */
export class Throttle {
  readonly #bytesPerMs: number
  /** When the next bytes may pass, by the monotonic clock. */
  #paidAt = monotonicMs()

  /** `bytesPerSecond` undefined: no limit. */
  constructor(bytesPerSecond: number | undefined) {
    this.#bytesPerMs = bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000
  }

  /** Resolves when `bytes` more may pass, or when the signal aborts. */
  async pass(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return
    const now = monotonicMs()
    this.#paidAt = Math.max(this.#paidAt, now) + bytes / this.#bytesPerMs
    for (let wait = this.#paidAt - now; wait > 0 && !signal?.aborted; wait -= LONGEST_WAIT_MS) {
      await pause(Math.min(wait, LONGEST_WAIT_MS), signal)
    }
  }
}
