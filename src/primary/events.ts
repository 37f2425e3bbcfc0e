import type { LitestreamError } from '../errors.js'
import type { IntegrityOutcome } from '../integrity/report.js'
import type { Divergence } from '../levels/divergence-record.js'
import type { StoreOutage } from '../storage/outage.js'

export type CheckpointMode = 'PASSIVE' | 'TRUNCATE'

/**
 * The events of a primary. All event values can be sent to another thread. `db` is the database
 * path that the caller passed.
 */
export interface PrimaryEvents {
  /**
   * The primary opened the database. The event is also emitted if the database file was replaced
   * and the primary opened the new file. If the process has many databases, the primary opens some
   * databases later. A database that has not changed after an earlier process replicated the
   * database is opened at its first change. Other events may be emitted before `open`.
   */
  open: { readonly db: string; readonly txid: number; readonly pageSize: number }
  /** The primary wrote an L0 file with frames of the WAL. */
  sync: {
    readonly db: string
    readonly txid: number
    readonly pages: number
    /** Size of the LTX file in bytes. */
    readonly size: number
    /** Total size in bytes of the WAL frames that the sync read. */
    readonly walBytes: number
    /** Offset in bytes in the WAL after the last frame of the LTX file. */
    readonly walOffset: number
    readonly durationMs: number
    /**
     * Why the LTX file contains the whole database, or undefined if the LTX file contains only
     * changed pages.
     */
    readonly snapshotReason: string | undefined
  }
  /** The primary ran a checkpoint, or another connection prevented the checkpoint. */
  checkpoint: {
    readonly db: string
    readonly mode: CheckpointMode
    /**
     * `restarted` means that the next frame is written at the beginning of the WAL. `complete`
     * means that all frames are in the database file. `partial` means that readers still need
     * frames of the WAL. `busy` means that another connection prevented the checkpoint.
     */
    readonly result: 'restarted' | 'complete' | 'partial' | 'busy'
    readonly frames: number
    readonly backfilled: number
    readonly durationMs: number
  }
  /**
   * The progress in bytes of uploading a large file. The event is emitted several times per second.
   */
  progress: { readonly db: string; readonly txid: number; readonly bytes: number; readonly totalBytes: number }
  /** The primary uploaded a staged file to the replica. */
  upload: { readonly db: string; readonly txid: number; readonly size: number; readonly durationMs: number }
  /**
   * The primary wrote a file of level 1 to 9 to the replica. Each file of level 9 is a snapshot.
   */
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
   * The scheduled integrity check of the database has ended. A check of the restored replica would
   * report the same messages.
   */
  integrity: {
    readonly db: string
    readonly outcome: IntegrityOutcome
    /** The messages of the check, or an empty list if the outcome is `ok`. */
    readonly messages: readonly string[]
    readonly durationMs: number
  }
  /**
   * The database file does not exist, so the primary cannot replicate it. The event is emitted at
   * once, and then at growing intervals while the file is missing. The event is not emitted with
   * the option `allowMissing`. `missingMs` is the time for which the file has been missing, in
   * milliseconds.
   */
  missing: { readonly db: string; readonly missingMs: number; readonly hint: string }
  /** The primary has found an unexpected change of the replica or of the state folder. */
  rejoin: { readonly db: string; readonly txid: number; readonly reason: string }
  /**
   * The database lacks transactions that are in the replica, or differs from the replica in another
   * way, for example after a loss of the database's volume. `text` describes the divergence, and
   * `hint` says what the user should do. `action` is the value of the option `onDivergence`.
   */
  divergence: {
    readonly db: string
    readonly divergence: Divergence
    readonly text: string
    readonly hint: string
    readonly action: 'continue' | 'refuse' | 'restore'
  }
  /**
   * Another program changed a file that the primary uses. `reason` describes the change, and
   * `action` says what the primary did.
   */
  notice: { readonly db: string; readonly object: string; readonly reason: string; readonly action: string }
  /**
   * The store stopped responding or responds again. The primary repeats requests that get no
   * response. See `openReplicaClient`.
   */
  outage: { readonly db: string } & StoreOutage
  /** An operation failed. Replication continues unless `retryMs` is undefined. */
  error: {
    readonly db: string
    /**
     * The failed operation. `files` means that another program changed files of the database or of
     * the state folder, but the primary can continue. `replica` is the check whether uploaded files
     * still exist in the replica. `worker` means that the thread of replicate() has ended and a new
     * thread is started.
     */
    readonly operation: 'sync' | 'files' | 'checkpoint' | 'upload' | 'replica' | 'compaction' | 'lease' | 'worker'
    readonly error: LitestreamError
    /** Number of consecutive failures. 1 for the first failure. */
    readonly failures: number
    /**
     * Time until the operation is repeated, in milliseconds, or undefined if the operation is not
     * repeated.
     */
    readonly retryMs: number | undefined
  }
  /** An operation succeeded after one or more failures. */
  recover: { readonly db: string; readonly operation: PrimaryEvents['error']['operation'] }
}

/** Receives the events of a primary. Runs on the thread of the primary. */
export type PrimaryObserver = <Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]) => void
