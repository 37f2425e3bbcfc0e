import { elapsedMs } from '../../../util/elapsed.js'
import { startTimer, type Timer } from '../../../util/timers.js'

/**
 * REMEMBERED is the number of recent read times that are kept. ENOUGH is the minimum number of read
 * times before a read can count as slow.
 */
const REMEMBERED = 64
const ENOUGH = 16
/**
 * A second request costs one credit, and each read earns EARNED credits. Only a few percent of all
 * requests are therefore second requests.
 */
const EARNED = 0.04
const MOST_SAVED = 4
/**
 * A read is slow if it takes longer than SLOW times the 95th percentile of recent read times, and
 * also longer than SLOW_AT_LEAST_MS. If a read takes less than SLOW_AT_LEAST_MS, a second request
 * gains nothing.
 */
const SLOW = 1.5
const SLOW_AT_LEAST_MS = 5
/** Maximum bytes of a read that may be sent twice. */
export const MAX_HEDGED = 512 * 1024

/**
 * Sends a read a second time if the first request is much slower than other reads. About one in a
 * hundred requests to an object store takes ten times as long as the others. If such a request is
 * sent again, the second request is usually fast. The first response counts, and the other request
 * is cancelled or ignored.
 */
export class HedgedReads {
  /**
   * `hedged` is the number of second requests that were sent. `hedgesWon` is the number of second
   * requests that responded before the first request.
   */
  readonly counts = { hedged: 0, hedgesWon: 0 }
  readonly #times: number[] = []
  #next = 0
  #saved = 1

  /**
   * Sends a read. If the first request is slow and `wanted` returns true, sends the read a second
   * time. `wanted` returns whether a reader waits for the response.
   */
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

  /**
   * Returns the number of milliseconds after which a read counts as slow. Returns undefined until
   * enough reads were measured.
   */
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
