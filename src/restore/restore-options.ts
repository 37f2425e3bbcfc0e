import { LitestreamError } from '../errors.js'
import type { IntegrityCheck, IntegrityReport } from '../integrity/report.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Instant } from '../util/timestamp.js'
import type { AssemblyProgress } from './assembly.js'

/**
 * The options of a restore. `txid` and `timestamp` must not both be set. If neither is set, the
 * restore writes the newest state.
 */
export interface RestoreOptions {
  /** Restores the state after the transaction with exactly this TXID. */
  readonly txid?: number
  /** Restores the last state before this time. */
  readonly timestamp?: Instant
  /**
   * Path of the database to write. The folder of the database is created if it does not exist. If
   * the path is a symbolic link, the restore replaces the target of the link.
   */
  readonly output: string
  /**
   * If `force` is true, the restore replaces an existing database, and deletes a WAL or journal of
   * the replaced database.
   */
  readonly force?: boolean
  /**
   * If `ifDbNotExists` is true, the restore does nothing if the output exists. If another process
   * is restoring to the output, the restore waits for that process.
   */
  readonly ifDbNotExists?: boolean
  /** If `ifReplicaExists` is true, the restore does nothing if the replica has no files. */
  readonly ifReplicaExists?: boolean
  /**
   * SQLite's check of the restored database. With `quick` or `full`, a fault that the check finds
   * is an error, and the restored database is kept beside the output. By default, the restore runs
   * a quick check. The faults that the default quick check finds are warnings.
   */
  readonly integrityCheck?: IntegrityCheck
  /** Maximum number of concurrent requests to the store (default 8). */
  readonly parallelism?: number
  /** If `dryRun` is true, the restore only makes a plan and writes no file. */
  readonly dryRun?: boolean
  /** Called with the progress of the restore (see RestoreProgress). */
  readonly onProgress?: (progress: RestoreProgress) => void
  /** If the signal aborts, the restore ends and the promise rejects. */
  readonly signal?: AbortSignal
}

export type RestoreProgress =
  /**
   * The restore waits, because another process is restoring to the same output. The phase `wait`
   * occurs only with `ifDbNotExists`.
   */
  | { readonly phase: 'wait' }
  | ({ readonly phase: 'pages' } & AssemblyProgress)
  /**
   * The restore processes the objects of a replica in Litestream 0.3's format. `written` is the
   * number of processed objects, and `total` is the number of all objects.
   */
  | { readonly phase: 'objects'; readonly written: number; readonly total: number }
  | { readonly phase: 'check'; readonly check: 'quick' | 'full' }

export interface RestoreResult {
  /**
   * The outcome of the restore. `planned` is the outcome of a dry run. `output-exists` means that
   * the restore did nothing because the output exists. `no-replica` means that the restore did
   * nothing because the replica has no files.
   */
  readonly status: 'restored' | 'planned' | 'output-exists' | 'no-replica'
  /** Path of the restored database. */
  readonly dbPath: string
  /**
   * The TXID of the restored state. The TXID is 0 if the restore did nothing, and after a restore
   * from Litestream 0.3's format, which has no TXIDs.
   */
  readonly txid: number
  /**
   * The time of the restored state. After a restore, `timestamp` comes from the LTX header. After a
   * dry run, `timestamp` comes from the listing. If the restore did nothing, `timestamp` is the
   * epoch.
   */
  readonly timestamp: Date
  /** Size of the database in bytes. */
  readonly bytes: number
  /** Duration of the restore in milliseconds. */
  readonly durationMs: number
  /**
   * The LTX files of the plan, oldest state first. `plan` is empty if Litestream 0.3's format was
   * restored.
   */
  readonly plan: readonly LtxFileInfo[]
  /**
   * The generation and the last WAL index of a restore from Litestream 0.3's format, or undefined
   * for any other restore.
   */
  readonly legacy?: { readonly generation: string; readonly index: number }
  /** The check of the restored database that the restore ran. */
  readonly integrityCheck: IntegrityCheck
  /** The result of the check (absent if the restore ran no check). */
  readonly integrity?: IntegrityReport
  /**
   * Warnings for the user, as sentences. A warning reports a damaged LTX file that the restore
   * replaced by other LTX files, or a fault that the check found. A fault that the check found also
   * exists in the primary's database, because all checksums of the restored database match.
   */
  readonly warnings: readonly string[]
}

/** Throws INVALID_ARGUMENT for invalid options of a restore. */
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
