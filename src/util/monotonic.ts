import { native } from '../native/addon.js'

/**
 * Milliseconds, with fractions, of the monotonic clock: setting the wall clock does not change it,
 * and it counts the time during which the machine sleeps. Zero is an arbitrary moment, the same on
 * every thread of the process and in native code, so only differences of two values have a meaning.
 *
 * Use it for ages, deadlines and back-off; use `Date.now()` only for times that users see or that
 * are stored in files.
 */
export function monotonicMs(): number {
  return native.monotonicMs()
}
