/** Timeouts and number of attempts of a client's operations. */
export interface RequestPolicy {
  /** Maximum number of consecutive attempts without progress. */
  readonly attempts: number
  /**
   * Maximum time in milliseconds between the start of an operation, or its latest progress, and the
   * start of a new attempt.
   */
  readonly budget: number
  /** Milliseconds in which the store must begin to respond. */
  readonly firstByteTimeout: number
  /** Maximum time in milliseconds without a byte during a transfer. */
  readonly idleTimeout: number
}

export const DEFAULT_POLICY: RequestPolicy = {
  attempts: 10,
  budget: 60_000,
  firstByteTimeout: 10_000,
  idleTimeout: 15_000,
}
