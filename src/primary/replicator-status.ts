import type { WaitOptions } from '../util/wait.js'
import type { PrimaryStatus } from './sync/primary-database.js'

/** A signal or `timeout` ends the wait, and not the upload, which continues in the background. */
export interface SyncOptions extends WaitOptions {
  /** Resolve only once everything committed before the call is in the replica. */
  readonly wait?: boolean
}

export interface SyncResult {
  /** The last file made of the WAL. */
  readonly txid: number
  /** The last file in the replica; undefined while it was not reached yet. */
  readonly replicaTxid: number | undefined
}

export interface ReplicatorStatus extends PrimaryStatus {
  readonly replica: string
  /**
   * `waiting`: there is no database yet; `standby`: another primary has the lease; `fenced`: another primary writes to the
   * replica, nothing is done any more; `refused`: nor is it when this process may not replicate the database (DATABASE_SHARED).
   */
  readonly state: 'waiting' | 'standby' | 'replicating' | 'fenced' | 'refused' | 'closed'
  readonly replicaTxid: number | undefined
  /** When the replica last had everything, milliseconds since the epoch. */
  readonly lastSyncAt: number | undefined
}
