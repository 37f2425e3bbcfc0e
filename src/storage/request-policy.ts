/** Timeouts and number of attempts of a client's operations. */
export interface RequestPolicy {
  /** Maximum number of consecutive attempts without progress. */
  readonly attempts: number
  /**
   * Milliseconds after the start of an operation, or after its latest progress, in which a new
   * attempt may begin.
   */
  readonly budget: number
  /** Milliseconds in which the store must begin to respond. */
  readonly firstByteTimeout: number
  /** Milliseconds that a connection may bring no byte during a transfer. */
  readonly idleTimeout: number
}

export const DEFAULT_POLICY: RequestPolicy = {
  attempts: 10,
  budget: 60_000,
  firstByteTimeout: 10_000,
  idleTimeout: 15_000,
}
