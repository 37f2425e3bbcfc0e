import { isLitestreamError, LitestreamError } from '../../../errors.js'
import type { LeaseKeeper } from '../../../levels/lease-keeper.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { reached } from './steps.js'

/**
 * How long a refusal is cached, in milliseconds: a busy handler retries many times per second, but
 * the store is asked once.
 */
const REFUSED_MS = 1000

export interface RightEvents {
  /** The lease is held. Also called for each renewal. */
  held(): void
  /** The lease is no longer held, or this is unknown. */
  lapsed(): void
  /** Another process has taken the lease. */
  lost(error: LitestreamError): void
}

/**
 * The lease of a replica while this process writes: taken with the first transaction, renewed, and
 * released at the end. The lease only avoids useless conflicts between two writers; the store
 * decides which one wins (put-commit.ts).
 */
export class RightToWrite {
  readonly #client: ReplicaClient
  readonly #ttl: number
  readonly #events: RightEvents
  #keeper: LeaseKeeper | undefined
  #refused: { readonly error: LitestreamError; readonly until: number } | undefined

  /** `ttl`: how long the lease is valid without renewal, in milliseconds. */
  constructor(client: ReplicaClient, ttl: number, events: RightEvents) {
    this.#client = client
    this.#ttl = ttl
    this.#events = events
  }

  /** Whether this process holds the lease and it has not expired. */
  get held(): boolean {
    return this.#keeper?.held ?? false
  }

  /**
   * Takes the lease unless it is held. Returns whether it was taken now. Throws LEASE_HELD, naming
   * the owner.
   */
  async ensure(): Promise<boolean> {
    if (this.#keeper?.held) return false
    if (this.#refused && monotonicMs() < this.#refused.until) throw this.#refused.error
    this.#refused = undefined
    const keeper = this.#keeper ?? (await this.#makeKeeper())
    try {
      await keeper.ensure()
    } catch (error) {
      if (!isLitestreamError(error, 'REPLICA_FENCED')) throw error
      const held = new LitestreamError('LEASE_HELD', error.message, {
        file: this.#client.url,
        hint: 'Wait until the other writer ends or its lease expires, or set a busy timeout (`PRAGMA busy_timeout`).',
        cause: error,
      })
      this.#refused = { error: held, until: monotonicMs() + REFUSED_MS }
      throw held
    }
    if (this.#keeper === keeper) return true
    this.#keeper = keeper
    keeper.start()
    return true
  }

  /** Loads the code for leases on first use. */
  async #makeKeeper(): Promise<LeaseKeeper> {
    const { LeaseKeeper } = await import('../../../levels/lease-keeper.js')
    const keeper = new LeaseKeeper(
      this.#client,
      { ttl: this.#ttl },
      {
        held: () => {
          reached('lease renewed')
          this.#events.held()
        },
        lost: (error) => {
          if (this.#keeper === keeper) this.#keeper = undefined
          this.#events.lapsed()
          this.#events.lost(error)
        },
        // The store does not respond: the lease expires, and the next transaction requests it
        // again.
        failed: () => {
          if (!keeper.held) this.#events.lapsed()
        },
        restored: () => undefined,
      },
    )
    return keeper
  }

  /** Releases the lease. */
  async release(): Promise<void> {
    const keeper = this.#keeper
    this.#keeper = undefined
    await keeper?.stop()
  }
}
