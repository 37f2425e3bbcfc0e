import { startTimer, type Timer } from '../../../util/timers.js'

/** Reads whose times are remembered, and how many must be before one can be called slow. */
const REMEMBERED = 64
const ENOUGH = 16
/** A second request costs one of these; each read earns a share of one, so that few percent of the requests are second ones. */
const EARNED = 0.04
const MOST_SAVED = 4
/** A read is slow that takes so many times as long as 95 of 100 others; below a few milliseconds a second request gains nothing. */
const SLOW = 1.5
const SLOW_AT_LEAST_MS = 5
/** Larger ranges take as long as they take. Bytes. */
export const MAX_HEDGED = 512 * 1024

/**
 * A second request where the first is much slower than others were: of the requests to an object store one in a hundred or so takes
 * ten times as long as the rest, and the same request sent again does not. Whichever answers first counts, the other is let go by
 * itself.
 */
export class HedgedReads {
  /** Second requests sent, and those that answered first. */
  readonly counts = { hedged: 0, hedgesWon: 0 }
  readonly #times: number[] = []
  #next = 0
  #saved = 1

  /** `wanted` tells, when the first request proves slow, whether someone waits for it. */
  read<T>(send: () => Promise<T>, wanted: () => boolean): Promise<T> {
    const started = performance.now()
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
        this.#remember(performance.now() - started)
        resolve(result)
      }, fail)
    })
  }

  /** Milliseconds; undefined while too little is known. */
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
