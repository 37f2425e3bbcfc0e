/** How long and how often a client tries before it gives an operation up. */
export interface RequestPolicy {
  /** Attempts without any progress in between. */
  readonly attempts: number
  /** Milliseconds from an operation's start, or its last progress, after which no new attempt is begun. */
  readonly budget: number
  /** Milliseconds until the store must have begun to answer. */
  readonly firstByteTimeout: number
  /** Milliseconds a connection may stand still in the middle of a transfer. */
  readonly idleTimeout: number
}

export const DEFAULT_POLICY: RequestPolicy = {
  attempts: 10,
  budget: 60_000,
  firstByteTimeout: 10_000,
  idleTimeout: 15_000,
}
