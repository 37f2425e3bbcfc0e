import type { Divergence } from '../levels/divergence-record.js'
import type { WaitOptions } from '../util/wait.js'
import type { PrimaryStatus } from './sync/primary-database.js'

/** A signal or `timeout` ends only the wait; the upload continues in the background. */
export interface SyncOptions extends WaitOptions {
  /** Resolve only when everything committed before the call is in the replica. */
  readonly wait?: boolean
}

export interface SyncResult {
  /** TXID of the last L0 file made from the WAL. */
  readonly txid: number
  /** TXID of the last file in the replica; undefined until the replica was read. */
  readonly replicaTxid: number | undefined
}

export interface ReplicatorStatus extends PrimaryStatus {
  /** URL of the replica, without credentials. */
  readonly replica: string
  /**
   * `waiting`: the database does not exist yet; `standby`: another primary holds the lease;
   * `fenced`: another primary writes to the replica, and this one has stopped; `refused`: this
   * process must not replicate the database (DATABASE_SHARED), and has stopped.
   */
  readonly state: 'waiting' | 'standby' | 'replicating' | 'fenced' | 'refused' | 'closed'
  /** TXID of the newest file in the replica; undefined until the replica was read. */
  readonly replicaTxid: number | undefined
  /** When the replica last had every commit, in milliseconds since the epoch. */
  readonly lastSyncAt: number | undefined
  /**
   * Time since the replica was last known to have everything, milliseconds; undefined before that.
   */
  readonly behindMs: number | undefined
  /**
   * Transactions that the primary itself has written to the database since it was opened: its
   * tables, and one a checkpoint.
   */
  readonly ownWrites: number
  /**
   * A divergence of the database from its replica that no user has acknowledged yet; see the option
   * `onDivergence`.
   */
  readonly divergence: Divergence | undefined
  /**
   * Why a second primary is detected only after it has written; undefined where the store itself
   * keeps it away.
   */
  readonly weakFencing: string | undefined
}
