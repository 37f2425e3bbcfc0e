/** Timeouts and number of attempts of a client's operations. */
export interface RequestPolicy {
  /** Number of attempts without progress in between. */
  readonly attempts: number
  /**
   * Milliseconds after an operation's start, or its last progress, after which no new attempt
   * begins.
   */
  readonly budget: number
  /** Milliseconds until the store must begin to respond. */
  readonly firstByteTimeout: number
  /** Milliseconds that a connection may be silent during a transfer. */
  readonly idleTimeout: number
}

export const DEFAULT_POLICY: RequestPolicy = {
  attempts: 10,
  budget: 60_000,
  firstByteTimeout: 10_000,
  idleTimeout: 15_000,
}
