import { isLitestreamError, LitestreamError } from '../../../errors.js'
import type { LeaseKeeper } from '../../../levels/lease-keeper.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { reached } from './steps.js'

/**
 * How long the process keeps a LEASE_HELD error before it asks the store again, in milliseconds. A
 * busy handler retries many times per second. The store nevertheless receives only one request per
 * REFUSED_MS.
 */
const REFUSED_MS = 1000

export interface RightEvents {
  /** Called when this process has taken the lease, and after each renewal of the lease. */
  held(): void
  /**
   * Called when this process no longer holds the lease, and when this process does not know whether
   * it holds the lease.
   */
  lapsed(): void
  /** Called when another process has taken the lease. */
  lost(error: LitestreamError): void
}

/**
 * The lease of a replica for a process that writes. A process that writes takes the lease with its
 * first transaction, renews the lease, and releases the lease when the replica is closed. The lease
 * only avoids useless conflicts between two writers. If two writers commit at once, the store
 * decides which writer wins (put-commit.ts).
 */
export class RightToWrite {
  readonly #client: ReplicaClient
  readonly #ttl: number
  readonly #events: RightEvents
  #keeper: LeaseKeeper | undefined
  #refused: { readonly error: LitestreamError; readonly until: number } | undefined

  /** `ttl` is the time in milliseconds for which the lease is valid without renewal. */
  constructor(client: ReplicaClient, ttl: number, events: RightEvents) {
    this.#client = client
    this.#ttl = ttl
    this.#events = events
  }

  /** Whether this process holds the lease and the lease has not expired. */
  get held(): boolean {
    return this.#keeper?.held ?? false
  }

  /**
   * Takes the lease unless this process already holds the lease. Returns whether this call of
   * `ensure` has taken the lease. Throws LEASE_HELD. The error message names the owner of the
   * lease.
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
        // If the store does not respond, the lease expires, and the next transaction requests the
        // lease again.
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
