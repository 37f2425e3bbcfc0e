/** Timeouts and number of attempts of a client's operations. */
export interface RequestPolicy {
  /** Maximum number of consecutive attempts of a request without progress. */
  readonly attempts: number
  /**
   * Maximum time in milliseconds between an operation's start or latest progress, and the start of
   * a new attempt.
   */
  readonly budget: number
  /** Maximum time in milliseconds until the store begins to respond to a request. */
  readonly firstByteTimeout: number
  /** Maximum time in milliseconds during a transfer in which no byte arrives. */
  readonly idleTimeout: number
}

export const DEFAULT_POLICY: RequestPolicy = {
  attempts: 10,
  budget: 60_000,
  firstByteTimeout: 10_000,
  idleTimeout: 15_000,
}
