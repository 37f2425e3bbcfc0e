/** The intervals of one back-off: each is twice the previous one, up to a limit. Milliseconds. */
export class Doubling {
  readonly #first: number
  readonly #most: number
  #next: number

  constructor(first: number, most: number) {
    this.#first = first
    this.#most = most
    this.#next = first
  }

  /** Time until the next attempt, in milliseconds. */
  next(): number {
    const pause = this.#next
    this.#next = Math.min(this.#most, pause * 2)
    return pause
  }

  /** An attempt succeeded: after the next failure the first interval applies again. */
  reset(): void {
    this.#next = this.#first
  }
}
