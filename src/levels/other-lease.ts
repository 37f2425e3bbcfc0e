import type { Clock } from '../util/clock.js'

/** However far in the future a lease says that it expires, it counts for at most so many TTLs: the other clock may be wrong. */
const MOST_TTLS = 10

/**
 * Whether another primary's lease has expired. Its content names a time of another machine's wall clock, which is believed at
 * first sight only. From then on the monotonic clock counts: an object that its owner keeps changing has not expired, and one that
 * stays unchanged for the time that it had left has, whatever the wall clocks are set to.
 */
export class OtherLease {
  readonly #ttl: number
  readonly #clock: Clock
  /** The object as it was read last. `readAt`, `until`: by the monotonic clock. */
  #seen: { readonly tag: string; readonly until: number; readAt: number } | undefined

  /** `ttl` in milliseconds. */
  constructor(ttl: number, clock: Clock) {
    this.#ttl = ttl
    this.#clock = clock
  }

  /** `expiresAt`: milliseconds since the epoch; undefined for a damaged object, which counts as a lease of one TTL. */
  hasExpired(tag: string, expiresAt: number | undefined): boolean {
    const now = this.#clock.monotonic()
    if (this.#seen?.tag !== tag) {
      const left = expiresAt === undefined ? this.#ttl : expiresAt - this.#clock.now()
      const until = now + Math.min(left, MOST_TTLS * this.#ttl)
      // It was renewed after the last look.
      const atLeast = this.#seen ? this.#seen.readAt + this.#ttl : Number.NEGATIVE_INFINITY
      this.#seen = { tag, until: Math.max(until, atLeast), readAt: now }
    }
    this.#seen.readAt = now
    return now >= this.#seen.until
  }
}
