/**
 * Returns the milliseconds before the next attempt. The argument `failures` is the number of
 * consecutive failures. The delay is `first` after one failure and doubles with each further
 * failure. The delay is at most `most`.
 */
export function retryDelay(failures: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** Math.min(30, Math.max(0, failures - 1)))
}

/**
 * Returns a random duration between 0 and `retryDelay` (full jitter). Because of the random part,
 * clients that fail together do not retry together.
 */
export function jitteredDelay(failures: number, first: number, most: number): number {
  return Math.random() * retryDelay(failures, first, most)
}

/**
 * The delays of one back-off in milliseconds. Each delay is twice the previous delay, up to a
 * limit.
 */
export class Doubling {
  readonly #first: number
  readonly #most: number
  #failures = 0

  constructor(first: number, most: number) {
    this.#first = first
    this.#most = most
  }

  /** Counts a failure, and returns the milliseconds until the next attempt. */
  next(): number {
    return retryDelay(++this.#failures, this.#first, this.#most)
  }

  /** Records a successful attempt. After `reset`, the next failure gets the first delay again. */
  reset(): void {
    this.#failures = 0
  }
}
