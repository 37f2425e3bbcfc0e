import { native } from '../native/addon.js'

/**
 * Returns milliseconds, with fractions, of the monotonic clock. Setting the wall clock does not
 * change this clock, and it also runs while the machine sleeps. The zero of the clock is an
 * arbitrary moment, the same on every thread of the process and in native code. Only differences of
 * two values are therefore meaningful.
 *
 * Use this clock for ages, deadlines and back-off. Use `Date.now()` only for times that users see
 * or that are stored in files.
 */
export function monotonicMs(): number {
  return native.monotonicMs()
}
