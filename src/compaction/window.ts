/**
 * Returns the last multiple of `interval` at or before `now`. All values are in milliseconds, and
 * times are in UTC since the epoch.
 */
export function windowStart(now: number, interval: number): number {
  return Math.floor(now / interval) * interval
}

/**
 * Returns the first multiple of `interval` after `now`. All values are in milliseconds, and times
 * are in UTC since the epoch.
 */
export function nextWindow(now: number, interval: number): number {
  return windowStart(now, interval) + interval
}
