/**
 * Milliseconds before the next attempt after a number of consecutive failures: `first` after one,
 * doubled for each further one.
 */
export function retryDelay(failures: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** Math.min(30, Math.max(0, failures - 1)))
}
