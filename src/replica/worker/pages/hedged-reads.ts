import { elapsedMs } from '../../../util/elapsed.js'
import { startTimer, type Timer } from '../../../util/timers.js'

/** Number of recent read times that are kept, and the minimum number needed to call a read slow. */
const REMEMBERED = 64
const ENOUGH = 16
/**
 * A second request costs one credit; each read earns a fraction of a credit, so that only a few
 * percent of the requests are second ones.
 */
const EARNED = 0.04
const MOST_SAVED = 4
/**
 * A read is slow if it takes this many times as long as the 95th percentile; below a few
 * milliseconds a second request gains nothing.
 */
const SLOW = 1.5
const SLOW_AT_LEAST_MS = 5
/** Larger ranges are never sent twice. Bytes. */
export const MAX_HEDGED = 512 * 1024

/**
 * Sends a second request if the first one is much slower than others. About one in a hundred
 * requests to an object store takes ten times as long as the rest, and the same request sent again
 * does not. The first response counts; the other is cancelled or ignored.
 */
export class HedgedReads {
  /** Second requests sent, and how many of them responded first. */
  readonly counts = { hedged: 0, hedgesWon: 0 }
  readonly #times: number[] = []
  #next = 0
  #saved = 1

  /** `wanted`: called when the first request is slow; returns whether a reader waits for it. */
  read<T>(send: () => Promise<T>, wanted: () => boolean): Promise<T> {
    const started = elapsedMs()
    const limit = this.#limit()
    this.#saved = Math.min(MOST_SAVED, this.#saved + EARNED)
    return new Promise<T>((resolve, reject) => {
      let underWay = 1
      let answered = false
      let timer: Timer | undefined
      const fail = (error: unknown) => {
        timer?.stop()
        if (--underWay === 0) reject(error)
      }
      const again = () => {
        if (!wanted() || this.#saved < 1) return
        this.#saved--
        this.counts.hedged++
        underWay++
        send().then((result) => {
          if (!answered) this.counts.hedgesWon++
          answered = true
          resolve(result)
        }, fail)
      }
      if (limit !== undefined) timer = startTimer(limit, again)
      send().then((result) => {
        timer?.stop()
        answered = true
        this.#remember(elapsedMs() - started)
        resolve(result)
      }, fail)
    })
  }

  /** Milliseconds; undefined until enough reads were measured. */
  #limit(): number | undefined {
    if (this.#times.length < ENOUGH) return undefined
    const sorted = [...this.#times].sort((a, b) => a - b)
    return Math.max(SLOW_AT_LEAST_MS, SLOW * sorted[Math.floor(sorted.length * 0.95)])
  }

  #remember(ms: number): void {
    this.#times[this.#next] = ms
    this.#next = (this.#next + 1) % REMEMBERED
  }
}
