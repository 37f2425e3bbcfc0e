import { type Clock, systemClock } from './clock.js'

/**
 * Maximum change in milliseconds of the difference between the wall clock and the monotonic clock.
 * A greater change counts as a step of the wall clock.
 */
const TOLERANCE_MS = 10_000

/**
 * A clock for computing the ages of files before they are deleted. AgeClock follows the wall clock,
 * but counts a forward step of the wall clock only after the step has lasted for `adoptAfterMs`. If
 * a user sets the wall clock a day ahead and back again, no file becomes old. If `adoptAfterMs`
 * equals the retention, a forward step deletes no file until the retention has passed since the
 * step.
 */
export class AgeClock {
  readonly #clock: Clock
  readonly #adoptAfterMs: number
  /** The accepted time of the wall clock, and the monotonic time at which it was read. */
  #wall: number
  #monotonic: number
  /** Monotonic time of the first reading in which the wall clock had stepped forward. */
  #aheadSince: number | undefined

  constructor(adoptAfterMs: number, clock: Clock = systemClock) {
    this.#clock = clock
    this.#adoptAfterMs = adoptAfterMs
    this.#wall = clock.now()
    this.#monotonic = clock.monotonic()
  }

  /** Returns the current time in milliseconds since the epoch. */
  now(): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const expected = this.#wall + (monotonic - this.#monotonic)
    if (wall - expected > TOLERANCE_MS) {
      this.#aheadSince ??= monotonic
      if (monotonic - this.#aheadSince < this.#adoptAfterMs) return expected
    }
    // A step back of the wall clock counts immediately, because it only makes files younger and
    // therefore deletes no file.
    this.#aheadSince = undefined
    this.#wall = wall
    this.#monotonic = monotonic
    return wall
  }
}
