import { monotonicMs } from './monotonic.js'

/** The two clocks of a process. Tests replace these clocks. */
export interface Clock {
  /**
   * Returns the time of the wall clock in milliseconds since the epoch. The timestamps of files
   * come from the wall clock. A user or NTP can set the wall clock forward or back at any time.
   */
  now(): number
  /**
   * Returns milliseconds of a clock that only moves forward, counted from an arbitrary zero.
   * Waiting, back-off and expiry use this clock.
   */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: monotonicMs }
