import type { Clock } from '../util/clock.js'

/**
 * Maximum time for which this primary respects another primary's lease, as a multiple of the TTL. A
 * limit is needed because the wall clock of another primary's machine may be wrong.
 */
const MOST_TTLS = 10

/**
 * Decides whether another primary's lease has expired. The expiry time in the lease object comes
 * from the wall clock of another machine. The expiry time is therefore used only once, at the first
 * read of the lease object, to calculate the remaining time. Later, only the monotonic clock of
 * this machine is used. Each change of the object shows that the owner has renewed the lease. If
 * the object stays unchanged for the remaining time, the lease has expired.
 */
export class OtherLease {
  readonly #ttl: number
  readonly #clock: Clock
  /**
   * The lease object that was read last. `readAt` and `until` are times from the monotonic clock.
   */
  #seen: { readonly tag: string; readonly until: number; readAt: number } | undefined

  /** `ttl` is the duration of a lease in milliseconds. */
  constructor(ttl: number, clock: Clock) {
    this.#ttl = ttl
    this.#clock = clock
  }

  /**
   * Returns whether the lease has expired. `expiresAt` is in milliseconds since the epoch. If the
   * object is damaged, `expiresAt` is undefined and the remaining time is one TTL.
   */
  hasExpired(tag: string, expiresAt: number | undefined): boolean {
    const now = this.#clock.monotonic()
    if (this.#seen?.tag !== tag) {
      const left = expiresAt === undefined ? this.#ttl : expiresAt - this.#clock.now()
      const until = now + Math.min(left, MOST_TTLS * this.#ttl)
      // The lease object has changed, so the owner renewed the lease after the previous read.
      const atLeast = this.#seen ? this.#seen.readAt + this.#ttl : Number.NEGATIVE_INFINITY
      this.#seen = { tag, until: Math.max(until, atLeast), readAt: now }
    }
    this.#seen.readAt = now
    return now >= this.#seen.until
  }
}
