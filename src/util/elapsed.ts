/**
 * Returns milliseconds of a clock that only moves forward. The result has a fractional part. The
 * zero of the clock is an arbitrary moment, so the result is only useful for durations within one
 * thread. `performance.now()` reads the same clock, but loading its module takes 1 ms in each
 * thread.
 */
export function elapsedMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
