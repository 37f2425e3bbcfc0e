import { monotonicMs } from './monotonic.js'

/** The two clocks of a process; a test replaces them. */
export interface Clock {
  /**
   * Wall clock, milliseconds since the epoch. The wall clock labels files, and can be set at any
   * time, in both directions.
   */
  now(): number
  /**
   * Milliseconds on a clock that only moves forward, from an arbitrary zero. Waiting, back-off and
   * expiry use this clock.
   */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: monotonicMs }
