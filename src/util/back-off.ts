/**
 * Milliseconds before the next attempt after a number of consecutive failures: `first` after one,
 * doubled for each further one, at most `most`.
 */
export function retryDelay(failures: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** Math.min(30, Math.max(0, failures - 1)))
}

/**
 * `retryDelay` with full jitter, for clients that fail together: a random part of the delay, so
 * that they do not retry together.
 */
export function jitteredDelay(failures: number, first: number, most: number): number {
  return Math.random() * retryDelay(failures, first, most)
}

/** The delays of one back-off, each twice the previous one, up to a limit. Milliseconds. */
export class Doubling {
  readonly #first: number
  readonly #most: number
  #failures = 0

  constructor(first: number, most: number) {
    this.#first = first
    this.#most = most
  }

  /** Counts a failure, and returns the time until the next attempt. */
  next(): number {
    return retryDelay(++this.#failures, this.#first, this.#most)
  }

  /** An attempt succeeded: after the next failure the first delay applies again. */
  reset(): void {
    this.#failures = 0
  }
}
