/**
 * When a consumer has delivered all that was in the stream as reading began. The server's count of what is still to come does not
 * tell alone: NATS 2.9 leaves messages out of a delivery (see leavesOut), and counts them for as long as the consumer lives.
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

  get isReached(): boolean {
    // Two signs of life and nothing between them: whatever the server sends, it has sent.
    return this.#reached || this.#idle >= 2 || this.#nothingLeft
  }

  /**
   * Whether every message that was there has come, for all that the server says. Not so where one was replaced before it was delivered:
   * it is gone then, and the new one may stand behind `upTo`.
   */
  get isComplete(): boolean {
    return this.#nothingLeft || this.#old === this.#expected
  }

  get #nothingLeft(): boolean {
    return this.#pending === 0 && this.#delivered >= this.#expected
  }
}
