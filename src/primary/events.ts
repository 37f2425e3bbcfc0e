import type { LitestreamError } from '../errors.js'
import type { IntegrityOutcome } from '../integrity/report.js'
import type { Divergence } from '../levels/divergence-record.js'
import type { StoreOutage } from '../storage/outage.js'

export type CheckpointMode = 'PASSIVE' | 'TRUNCATE'

/**
 * The events of a primary; plain data. `db` is the path of the database as the caller passed it.
 */
export interface PrimaryEvents {
  /**
   * The database was opened, or opened again after it was replaced. Of many databases, one that is
   * as an earlier process left it is opened only when it changes; its first event comes before.
   */
  open: { readonly db: string; readonly txid: number; readonly pageSize: number }
  /** An L0 file was made from the WAL. */
  sync: {
    readonly db: string
    readonly txid: number
    readonly pages: number
    /** Size of the LTX file in bytes. */
    readonly size: number
    /** Size of the frames read from the WAL, in bytes. */
    readonly walBytes: number
    /** Offset in the WAL at which the file ends, in bytes. */
    readonly walOffset: number
    readonly durationMs: number
    /** Why the file holds the whole database; undefined for an incremental one. */
    readonly snapshotReason: string | undefined
  }
  /** The primary has run a checkpoint, or tried to. */
  checkpoint: {
    readonly db: string
    readonly mode: CheckpointMode
    /**
     * `restarted`: the WAL was reset; `complete`: the database file has every frame; `partial`:
     * readers still need the WAL.
     */
    readonly result: 'restarted' | 'complete' | 'partial' | 'busy'
    readonly frames: number
    readonly backfilled: number
    readonly durationMs: number
  }
  /** The progress of the upload of a large file, several times a second, in bytes. */
  progress: { readonly db: string; readonly txid: number; readonly bytes: number; readonly totalBytes: number }
  /** A staged file was uploaded to the replica. */
  upload: { readonly db: string; readonly txid: number; readonly size: number; readonly durationMs: number }
  /** A file of level 1 to 9 was made in the replica from other files; level 9: a snapshot. */
  compaction: {
    readonly db: string
    readonly level: number
    readonly minTxid: number
    readonly maxTxid: number
    readonly size: number
    readonly durationMs: number
  }
  /** Retention deleted files of one level. */
  retention: { readonly db: string; readonly level: number; readonly files: number; readonly bytes: number }
  /**
   * The scheduled check of the database has finished; a restore of the replica would report the
   * same warnings.
   */
  integrity: {
    readonly db: string
    readonly outcome: IntegrityOutcome
    /** Empty for `ok`. */
    readonly messages: readonly string[]
    readonly durationMs: number
  }
  /**
   * There is no database file, so nothing is backed up. Emitted when the primary finds this, and
   * again at growing intervals, unless the option `allowMissing` is set. `missingMs`: for how long.
   */
  missing: { readonly db: string; readonly missingMs: number; readonly hint: string }
  /** The replica or the state folder differs from its last known state. */
  rejoin: { readonly db: string; readonly txid: number; readonly reason: string }
  /**
   * The database does not continue the newest state of the replica, as after its volume was lost;
   * `text` and `hint` describe the divergence and the next step for a user. `action`: the value of
   * the option `onDivergence`.
   */
  divergence: {
    readonly db: string
    readonly divergence: Divergence
    readonly text: string
    readonly hint: string
    readonly action: 'continue' | 'refuse' | 'restore'
  }
  /**
   * Another program changed a file of the primary, as `reason` describes. `action`: how the primary
   * reacted.
   */
  notice: { readonly db: string; readonly object: string; readonly reason: string; readonly action: string }
  /** The store answers no request, which is retried, or answers again; see `openReplicaClient`. */
  outage: { readonly db: string } & StoreOutage
  /** An operation failed; the replication continues unless `retryMs` is undefined. */
  error: {
    readonly db: string
    /**
     * `files`: files of the database or the state folder were changed by another program, but the
     * primary still works; `replica`: the check that uploaded files still exist in the replica;
     * `worker`: the thread of replicate() ended, and another one is started.
     */
    readonly operation: 'sync' | 'files' | 'checkpoint' | 'upload' | 'replica' | 'compaction' | 'lease' | 'worker'
    readonly error: LitestreamError
    /** Number of consecutive failures; 1 for the first. */
    readonly failures: number
    /** Time until the retry, in milliseconds; undefined: no retry. */
    readonly retryMs: number | undefined
  }
  /** An operation succeeded again after errors. */
  recover: { readonly db: string; readonly operation: PrimaryEvents['error']['operation'] }
}

/** Receives the events of a primary, on the primary's thread. */
export type PrimaryObserver = <Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]) => void
