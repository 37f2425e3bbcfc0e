import { type Clock, systemClock } from './clock.js'

/**
 * Maximum drift in milliseconds between the wall clock and the monotonic clock between two calls.
 */
const TOLERANCE_MS = 10_000

/**
 * The current time for computing the ages of files before they are deleted: the wall clock, except
 * that a step forward counts only after it has lasted for `adoptAfterMs`. Therefore, a clock that
 * is set a day ahead and back again makes no file old. With `adoptAfterMs` as long as the
 * retention, a file is deleted only if the retention has passed on one clock without a step.
 */
export class AgeClock {
  readonly #clock: Clock
  readonly #adoptAfterMs: number
  /** The accepted wall clock time, and the monotonic time at which it was read. */
  #wall: number
  #monotonic: number
  /** Monotonic time at which the wall clock was first seen ahead. */
  #aheadSince: number | undefined

  constructor(adoptAfterMs: number, clock: Clock = systemClock) {
    this.#clock = clock
    this.#adoptAfterMs = adoptAfterMs
    this.#wall = clock.now()
    this.#monotonic = clock.monotonic()
  }

  /** Milliseconds since the epoch. */
  now(): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const expected = this.#wall + (monotonic - this.#monotonic)
    if (wall - expected > TOLERANCE_MS) {
      this.#aheadSince ??= monotonic
      if (monotonic - this.#aheadSince < this.#adoptAfterMs) return expected
    }
    // A step back makes files younger, which deletes nothing, so it counts immediately.
    this.#aheadSince = undefined
    this.#wall = wall
    this.#monotonic = monotonic
    return wall
  }
}
