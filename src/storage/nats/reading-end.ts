/**
 * Detects that a consumer has delivered every message that was in the stream when reading began.
 * The server's own count of pending messages does not suffice to detect the end of the delivery.
 * NATS 2.9 leaves messages out of a delivery (leavesOut), but keeps counting these messages as
 * pending.
 */
export class ReadingEnd {
  readonly #upTo: number
  /**
   * Number of messages in the stream when the consumer was created, or Infinity until the server
   * has reported the number.
   */
  #expected = Number.POSITIVE_INFINITY
  #delivered = 0
  /** Number of delivered messages whose sequence number is at most `upTo`. */
  #old = 0
  #reached = false
  #pending = Number.POSITIVE_INFINITY
  /** Number of heartbeats since the latest message. */
  #idle = 0

  /** `upTo` is the sequence number of the last message in the stream when reading began. */
  constructor(upTo: number) {
    this.#upTo = upTo
  }

  /** The reader calls `started` when the server has created the consumer. */
  started(expected: number): void {
    this.#expected = expected
    if (expected === 0) this.#pending = 0
  }

  /** The reader calls `delivered` for each delivered message. */
  delivered(sequence: number, pending: number): void {
    this.#delivered++
    this.#pending = pending
    this.#idle = 0
    if (sequence <= this.#upTo) this.#old++
    if (sequence >= this.#upTo) this.#reached = true
  }

  /**
   * The reader calls `alive` for each heartbeat. `sent` is the number of messages that the server
   * has sent, or undefined if the heartbeat does not contain this number.
   */
  alive(sent: number | undefined): void {
    this.#idle = sent === this.#delivered ? this.#idle + 1 : 0
  }

  get isReached(): boolean {
    // Two consecutive heartbeats without a message between them show that the server sends no more
    // messages.
    return this.#reached || this.#idle >= 2 || this.#nothingLeft
  }

  /**
   * Whether the server has delivered every message that was in the stream when reading began,
   * according to the server's counts. Returns false if another client replaced a message before its
   * delivery, because the new message may have a sequence number after `upTo`.
   */
  get isComplete(): boolean {
    return this.#nothingLeft || this.#old === this.#expected
  }

  get #nothingLeft(): boolean {
    return this.#pending === 0 && this.#delivered >= this.#expected
  }
}
