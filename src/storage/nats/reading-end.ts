/**
 * Detects when a consumer has delivered every message that was in the stream when reading began.
 * The server's count of remaining messages is not sufficient: NATS 2.9 leaves messages out of a
 * delivery (see leavesOut), but keeps counting them.
 */
export class ReadingEnd {
  readonly #upTo: number
  /** The number of messages when the consumer was created, once the server has reported it. */
  #expected = Number.POSITIVE_INFINITY
  #delivered = 0
  /** The number of delivered messages that are not after `upTo`. */
  #old = 0
  #reached = false
  #pending = Number.POSITIVE_INFINITY
  /** Heartbeats since the last message. */
  #idle = 0

  /** `upTo`: the stream's last sequence when reading began. */
  constructor(upTo: number) {
    this.#upTo = upTo
  }

  /** The consumer was created. */
  begun(expected: number): void {
    this.#expected = expected
    if (expected === 0) this.#pending = 0
  }

  /** A message was delivered. */
  delivered(sequence: number, pending: number): void {
    this.#delivered++
    this.#pending = pending
    this.#idle = 0
    if (sequence <= this.#upTo) this.#old++
    if (sequence >= this.#upTo) this.#reached = true
  }

  /** A heartbeat arrived; `sent`: number of messages that the server has sent, if it says so. */
  alive(sent: number | undefined): void {
    this.#idle = sent === this.#delivered ? this.#idle + 1 : 0
  }

  get isReached(): boolean {
    // After two heartbeats without a message, the server has sent everything that it will send.
    return this.#reached || this.#idle >= 2 || this.#nothingLeft
  }

  /**
   * Whether every message that existed at the beginning was delivered, as far as the server
   * reports. False if a message was replaced before its delivery: the old message is gone, and the
   * new one may be after `upTo`.
   */
  get isComplete(): boolean {
    return this.#nothingLeft || this.#old === this.#expected
  }

  get #nothingLeft(): boolean {
    return this.#pending === 0 && this.#delivered >= this.#expected
  }
}
