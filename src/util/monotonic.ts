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
