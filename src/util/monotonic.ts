import { native } from '../native/addon.js'

/**
 * Returns the time of the monotonic clock in milliseconds. The result has a fractional part. A
 * change of the wall clock does not change the monotonic clock. The monotonic clock also runs while
 * the machine sleeps. The clock counts from an arbitrary moment, which is the same for all threads
 * of the process and for native code. Only differences of two values are therefore meaningful.
 *
 * Use this clock for ages, deadlines and back-off. Use `Date.now()` only for times that users see
 * or that are stored in files.
 */
export function monotonicMs(): number {
  return native.monotonicMs()
}
