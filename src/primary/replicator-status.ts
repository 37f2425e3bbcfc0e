import type { Divergence } from '../levels/divergence-record.js'
import type { WaitOptions } from '../util/wait.js'
import type { PrimaryStatus } from './sync/primary-database.js'

/** A signal or `timeout` ends only the wait, and the upload continues in the background. */
export interface SyncOptions extends WaitOptions {
  /** If true, `sync` resolves only when the replica has every commit made before the call. */
  readonly wait?: boolean
}

export interface SyncResult {
  /** TXID of the last L0 file made from the WAL. */
  readonly txid: number
  /**
   * TXID of the newest file in the replica, or undefined until the primary has listed the replica.
   */
  readonly replicaTxid: number | undefined
}

export interface ReplicatorStatus extends PrimaryStatus {
  /** URL of the replica, without credentials. */
  readonly replica: string
  /**
   * `waiting` means that the database does not exist yet. `standby` means that another primary
   * holds the lease. `fenced` means that this primary has stopped because another primary writes to
   * the replica. `refused` means that this primary has stopped because its process must not
   * replicate the database (DATABASE_SHARED).
   */
  readonly state: 'waiting' | 'standby' | 'replicating' | 'fenced' | 'refused' | 'closed'
  /**
   * TXID of the newest file in the replica, or undefined until the primary has listed the replica.
   */
  readonly replicaTxid: number | undefined
  /**
   * Latest time at which the replica had every commit of the database, in milliseconds since the
   * epoch.
   */
  readonly lastSyncAt: number | undefined
  /**
   * Milliseconds since the latest time at which the replica had every commit, or undefined if the
   * replica has not had every commit yet.
   */
  readonly behindMs: number | undefined
  /**
   * Number of transactions that the primary itself has committed to the database since it opened
   * the database. The primary writes one transaction to create Litestream's tables, and one
   * transaction at each checkpoint.
   */
  readonly ownWrites: number
  /**
   * A divergence of the database from its replica, or undefined if no divergence exists or a user
   * has acknowledged every divergence. See the option `onDivergence`.
   */
  readonly divergence: Divergence | undefined
  /**
   * The reason why the store cannot refuse the writes of a second primary. In a store that cannot
   * refuse the writes, a second primary is detected only after it has written files. If the store
   * refuses the writes of a second primary, the reason is undefined.
   */
  readonly weakFencing: string | undefined
}
