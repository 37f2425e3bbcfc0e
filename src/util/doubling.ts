/** The pauses of one back-off: each is twice the one before, up to a limit. Milliseconds. */
export class Doubling {
  readonly #first: number
  readonly #most: number
  #next: number

  constructor(first: number, most: number) {
    this.#first = first
    this.#most = most
    this.#next = first
  }

  /** How long to wait before the next attempt. */
  next(): number {
    const pause = this.#next
    this.#next = Math.min(this.#most, pause * 2)
    return pause
  }

  /** An attempt succeeded: the next failure waits the first pause again. */
  reset(): void {
    this.#next = this.#first
  }
}
