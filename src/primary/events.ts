import type { LitestreamError } from '../errors.js'
import type { IntegrityOutcome } from '../integrity/report.js'

export type CheckpointMode = 'PASSIVE' | 'TRUNCATE'

/** What a primary tells about its work; plain data. `db` is the path of the database as it was given. */
export interface PrimaryEvents {
  /** The database was opened; also again after it was replaced. */
  open: { readonly db: string; readonly txid: number; readonly pageSize: number }
  /** A file of level 0 was made from the WAL. */
  sync: {
    readonly db: string
    readonly txid: number
    readonly pages: number
    /** Of the LTX file, bytes. */
    readonly size: number
    /** Frames read, bytes of the WAL. */
    readonly walBytes: number
    /** Where in the WAL it ends, bytes. */
    readonly walOffset: number
    readonly durationMs: number
    /** Why the file holds the whole database; undefined for an incremental one. */
    readonly snapshotReason: string | undefined
  }
  checkpoint: {
    readonly db: string
    readonly mode: CheckpointMode
    /** `restarted`: the WAL begins anew; `complete`: all of it is in the database file; `partial`: readers still need it. */
    readonly result: 'restarted' | 'complete' | 'partial' | 'busy'
    readonly frames: number
    readonly backfilled: number
    readonly durationMs: number
  }
  /** A staged file has reached the replica. */
  upload: { readonly db: string; readonly txid: number; readonly size: number; readonly durationMs: number }
  /** A file of level 1 to 9 was made in the replica from others; level 9: a snapshot. */
  compaction: {
    readonly db: string
    readonly level: number
    readonly minTxid: number
    readonly maxTxid: number
    readonly size: number
    readonly durationMs: number
  }
  /** Files of one level were deleted, as retention says. */
  retention: { readonly db: string; readonly level: number; readonly files: number; readonly bytes: number }
  /** The scheduled check of the database has ended; a restore of the replica would warn of the same. */
  integrity: {
    readonly db: string
    readonly outcome: IntegrityOutcome
    /** None for `ok`. */
    readonly messages: readonly string[]
    readonly durationMs: number
  }
  /** The primary and its replica were not in the state in which they were left. */
  rejoin: { readonly db: string; readonly txid: number; readonly reason: string }
  /** Something outside the primary changed under it, as `reason` says. `action`: what the primary has done about it. */
  notice: { readonly db: string; readonly object: string; readonly reason: string; readonly action: string }
  error: {
    readonly db: string
    /**
     * `files`: the files of the database or the state folder changed under the primary, which still works; `replica`: the check that
     * the uploaded files are still in the replica; `worker`: the thread of replicate() ended, and another one is started.
     */
    readonly operation: 'sync' | 'files' | 'checkpoint' | 'upload' | 'replica' | 'compaction' | 'lease' | 'worker'
    readonly error: LitestreamError
    /** How many times in a row; 1 for the first. */
    readonly failures: number
    /** When it will be tried again, milliseconds from now; undefined: never. */
    readonly retryMs: number | undefined
  }
  /** An operation works again after errors. */
  recover: { readonly db: string; readonly operation: PrimaryEvents['error']['operation'] }
}

/** Takes the events of a primary, on the thread that works. */
export type PrimaryObserver = <Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]) => void
