/** Messages that are collected at most; after that the check ends. */
const MAX_MESSAGES = 10

/** Thrown, and caught, within a check to end it: there are enough faults, or the caller has stopped it. */
export class EndOfCheck extends Error {}

/** Which pages of a database something refers to, and what is wrong. */
export class PageUsage {
  readonly messages: string[] = []
  readonly #count: number
  readonly #used: Uint8Array

  readonly #isStopped: () => boolean

  constructor(count: number, isStopped: () => boolean) {
    this.#count = count
    this.#isStopped = isStopped
    this.#used = new Uint8Array((count >> 3) + 1)
  }

  /** Throws EndOfCheck after the last message that is collected. */
  fault(message: string): void {
    this.messages.push(message)
    if (this.messages.length >= MAX_MESSAGES) throw new EndOfCheck()
  }

  /** Notes that `by` refers to a page; false, and a fault, if the page does not exist or something else refers to it. Throws EndOfCheck. */
  use(pgno: number, by: string): boolean {
    if (this.#isStopped()) throw new EndOfCheck()
    if (pgno < 1 || pgno > this.#count) {
      this.fault(`${by} refers to page ${pgno}, but the database has ${this.#count} pages`)
      return false
    }
    if (this.isUsed(pgno)) {
      this.fault(`${by} refers to page ${pgno}, which is already in use`)
      return false
    }
    this.#used[pgno >> 3]! |= 1 << (pgno & 7)
    return true
  }

  isUsed(pgno: number): boolean {
    return (this.#used[pgno >> 3]! & (1 << (pgno & 7))) !== 0
  }
}
