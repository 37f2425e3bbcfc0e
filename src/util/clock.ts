import { monotonicMs } from './monotonic.js'

/** The two clocks of a process. Tests replace both clocks. */
export interface Clock {
  /**
   * Returns the time of the wall clock in milliseconds since the epoch. The timestamps of files
   * come from the wall clock. A user or NTP can set the wall clock forward or back.
   */
  now(): number
  /**
   * Returns milliseconds of a clock that only moves forward, counted from an arbitrary zero. The
   * code for waiting, back-off and expiry uses this clock.
   */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: monotonicMs }
