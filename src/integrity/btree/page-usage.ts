/** Maximum number of messages; the check ends after that. */
const MAX_MESSAGES = 10

/**
 * Thrown and caught inside a check to end it: enough faults were found, or the caller has stopped
 * it.
 */
export class EndOfCheck extends Error {}

/** Records which pages of a database are referenced, and the faults found. */
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

  /** Records a fault. Throws EndOfCheck after MAX_MESSAGES. */
  fault(message: string): void {
    this.messages.push(message)
    if (this.messages.length >= MAX_MESSAGES) throw new EndOfCheck()
  }

  /**
   * Records that `by` refers to a page. Returns false, and records a fault, if the page does not
   * exist or is already referenced. Throws EndOfCheck.
   */
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
