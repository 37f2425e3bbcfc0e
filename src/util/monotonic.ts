import { native } from '../native/addon.js'

/**
 * Milliseconds, with fractions, on a clock that only moves forward: no change of the wall clock moves
 * it, and it counts the time that the machine sleeps. Zero is an arbitrary moment, the same one on
 * every thread of the process and in native code, so two values can only be subtracted.
 *
 * Use it for ages, deadlines and back-off; use `Date.now()` only for times that a person or a file
 * gets to see.
 */
export function monotonicMs(): number {
  return native.monotonicMs()
}

/** The longest delay of a Node.js timer; a longer one fires after 1 ms. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/** A delay as Node.js timers take it: at least 1 ms, and not longer than they can count. */
export function timerMs(ms: number): number {
  return Math.min(MAX_TIMER_MS, Math.max(1, ms))
}
