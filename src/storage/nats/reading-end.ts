/**
 * When a consumer has delivered all that was in the stream as reading began. Taken alone, none of what the server says tells: where
 * messages are replaced while a consumer is made, its count of what is still to come may stay too high for as long as the consumer lives
 * (seen with 2.9.10: 7 or 27, while each message was delivered at once), and who waits for silence waits until nobody writes.
 */
export class ReadingEnd {
  readonly #upTo: number
  /** How many there were when the consumer was made, once the server has said so. */
  #expected = Number.POSITIVE_INFINITY
  #delivered = 0
  /** Those of them that are not behind `upTo`. */
  #old = 0
  #reached = false
  #pending = Number.POSITIVE_INFINITY
  /** Signs of life since the last message. */
  #idle = 0

  /** `upTo`: the stream's last sequence when reading began. */
  constructor(upTo: number) {
    this.#upTo = upTo
  }

  /** The consumer was made. */
  begun(expected: number): void {
    this.#expected = expected
    if (expected === 0) this.#pending = 0
  }

  /** A message came. */
  delivered(sequence: number, pending: number): void {
    this.#delivered++
    this.#pending = pending
    this.#idle = 0
    if (sequence <= this.#upTo) this.#old++
    if (sequence >= this.#upTo) this.#reached = true
  }

  /** A sign of life came; `sent`: how many messages the server has sent, where it says so. */
  alive(sent: number | undefined): void {
    this.#idle = sent === this.#delivered ? this.#idle + 1 : 0
  }

  /** Whether nothing is left in the stream, also nothing that was written since. */
  get #nothingLeft(): boolean {
    // Two signs of life and nothing between them: whatever there was, the server has sent.
    return this.#idle >= 2 || (this.#pending === 0 && this.#delivered >= this.#expected)
  }

  get isReached(): boolean {
    return this.#reached || this.#nothingLeft
  }

  /**
   * Whether every subject that was there is known to be among what came. A message that is replaced before it was delivered is gone, and
   * the new one may stand behind `upTo`.
   */
  get isComplete(): boolean {
    return this.#nothingLeft || this.#old === this.#expected
  }
}
