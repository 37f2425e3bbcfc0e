import type { Clock } from '../util/clock.js'

/**
 * A lease counts for at most this many TTLs, however late its expiry time, because the other
 * machine's clock may be wrong.
 */
const MOST_TTLS = 10

/**
 * Decides whether another primary's lease has expired. The expiry of a lease is a time of another
 * machine's wall clock, so it is used only when the object is first read. From then on the
 * monotonic clock decides: an object that its owner keeps changing has not expired, and one that
 * stays unchanged for its remaining time has, whatever the wall clocks say.
 */
export class OtherLease {
  readonly #ttl: number
  readonly #clock: Clock
  /** The last object read. `readAt`, `until`: monotonic clock. */
  #seen: { readonly tag: string; readonly until: number; readAt: number } | undefined

  /** `ttl` in milliseconds. */
  constructor(ttl: number, clock: Clock) {
    this.#ttl = ttl
    this.#clock = clock
  }

  /**
   * `expiresAt`: milliseconds since the epoch; undefined for a damaged object, which counts as a
   * lease of one TTL.
   */
  hasExpired(tag: string, expiresAt: number | undefined): boolean {
    const now = this.#clock.monotonic()
    if (this.#seen?.tag !== tag) {
      const left = expiresAt === undefined ? this.#ttl : expiresAt - this.#clock.now()
      const until = now + Math.min(left, MOST_TTLS * this.#ttl)
      // The owner renewed the lease after the previous read.
      const atLeast = this.#seen ? this.#seen.readAt + this.#ttl : Number.NEGATIVE_INFINITY
      this.#seen = { tag, until: Math.max(until, atLeast), readAt: now }
    }
    this.#seen.readAt = now
    return now >= this.#seen.until
  }
}
