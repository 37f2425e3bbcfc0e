/**
 * The last multiple of `interval` since the epoch, in UTC, at or before `now`; all in milliseconds.
 */
export function windowStart(now: number, interval: number): number {
  return Math.floor(now / interval) * interval
}

/** The first multiple of `interval` after `now`. */
export function nextWindow(now: number, interval: number): number {
  return windowStart(now, interval) + interval
}
