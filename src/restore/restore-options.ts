import { LitestreamError } from '../errors.js'
import type { IntegrityCheck, IntegrityReport } from '../integrity/report.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Instant } from '../util/timestamp.js'
import type { AssemblyProgress } from './assembly.js'

/** `txid` or `timestamp`, not both; without them, the newest state is restored. */
export interface RestoreOptions {
  /** Exactly this TXID. */
  readonly txid?: number
  /** The last state before this time. */
  readonly timestamp?: Instant
  /**
   * Path of the database; its folder is created if needed. For a symbolic link, its target is
   * written.
   */
  readonly output: string
  /** Replace an existing database, and delete a WAL or journal beside it. */
  readonly force?: boolean
  /** Do nothing if the output exists; wait for another process that is restoring to it. */
  readonly ifDbNotExists?: boolean
  /** Do nothing if the replica has no files. */
  readonly ifReplicaExists?: boolean
  /**
   * `quick` or `full`: faults found by the check are an error, and the database is kept beside the
   * output. Default: a quick check, whose findings are warnings.
   */
  readonly integrityCheck?: IntegrityCheck
  /** Maximum number of concurrent requests; default 8. */
  readonly parallelism?: number
  /** Only plan; write nothing. */
  readonly dryRun?: boolean
  /** Called with the progress; see RestoreProgress. */
  readonly onProgress?: (progress: RestoreProgress) => void
  /** Aborts the restore; its promise then rejects. */
  readonly signal?: AbortSignal
}

export type RestoreProgress =
  /** Another process is restoring to the output; only with `ifDbNotExists`. */
  | { readonly phase: 'wait' }
  | ({ readonly phase: 'pages' } & AssemblyProgress)
  /** For Litestream 0.3's format: number of objects processed so far, and in total. */
  | { readonly phase: 'objects'; readonly written: number; readonly total: number }
  | { readonly phase: 'check'; readonly check: 'quick' | 'full' }

export interface RestoreResult {
  /**
   * `restored`, `planned` (dry run), or why nothing was done: the output exists, the replica is
   * empty.
   */
  readonly status: 'restored' | 'planned' | 'output-exists' | 'no-replica'
  /** Path of the database. */
  readonly dbPath: string
  /**
   * The TXID of the restored state; 0 if nothing was done, and for Litestream 0.3, which had no
   * TXIDs.
   */
  readonly txid: number
  /**
   * The time of that state: from the LTX header if restored, from the listing if planned. The epoch
   * if nothing was done.
   */
  readonly timestamp: Date
  /** Size of the database in bytes. */
  readonly bytes: number
  /** Duration of the restore. */
  readonly durationMs: number
  /** The files, oldest state first; empty if it was restored from Litestream 0.3's format. */
  readonly plan: readonly LtxFileInfo[]
  /** If Litestream 0.3's format was restored: the generation and the last WAL index. */
  readonly legacy?: { readonly generation: string; readonly index: number }
  /** The check that was run. */
  readonly integrityCheck: IntegrityCheck
  /** The result of the check; absent if none was run. */
  readonly integrity?: IntegrityReport
  /**
   * Sentences for the user: damaged files of the replica for which others were read, and faults
   * that the check found in a database whose bytes are identical to the primary's.
   */
  readonly warnings: readonly string[]
}

/** Throws INVALID_ARGUMENT. */
export function validateRestore({ txid, timestamp, parallelism = 8 }: Resolved<RestoreOptions>): void {
  const fault =
    txid !== undefined && timestamp !== undefined
      ? 'a restore takes a TXID or a timestamp, not both'
      : !Number.isInteger(parallelism) || parallelism < 1
        ? `parallelism must be a whole number of at least 1, not ${parallelism}`
        : timestamp !== undefined && !Number.isFinite(timestamp)
          ? `invalid timestamp ${timestamp}`
          : undefined
  if (fault) throw new LitestreamError('INVALID_ARGUMENT', fault, { hint: 'Correct or remove the option.' })
}
