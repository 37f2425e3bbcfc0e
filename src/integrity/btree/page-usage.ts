/** Maximum number of faults, after which a check ends. */
const MAX_MESSAGES = 10

/**
 * Thrown to end a check when enough faults were found, or when the caller has stopped the check.
 * The check itself catches EndOfCheck.
 */
export class EndOfCheck extends Error {}

/** Records the referenced pages of a database and the faults of the check. */
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

  /** Records a fault. Throws EndOfCheck when MAX_MESSAGES faults were recorded. */
  fault(message: string): void {
    this.messages.push(message)
    if (this.messages.length >= MAX_MESSAGES) throw new EndOfCheck()
  }

  /**
   * Records that `by` refers to the page `pgno`. If the page does not exist or is already
   * referenced, records a fault and returns false. Throws EndOfCheck.
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
