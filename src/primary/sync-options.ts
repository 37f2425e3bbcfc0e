import type { DriverChoice } from '../sqlite/connection.js'

/** Replication settings; every default is Litestream's. */
export interface PrimaryOptions {
  /**
   * The state folder, for staged files and state; default `.<database>-litestream` beside the
   * database.
   */
  readonly metaPath?: string
  /**
   * The SQLite driver of the primary's own connections: the one that the application opens the
   * database with in the same process. Default: the copy that has the database open, otherwise
   * better-sqlite3 if it is installed, otherwise node:sqlite.
   */
  readonly driver?: DriverChoice
  /** How long the primary waits for a lock of the application, milliseconds. */
  readonly busyTimeout: number
  /** Checkpoint when this many pages of the WAL are not in the database file yet. */
  readonly minCheckpointPages: number
  /**
   * Checkpoint this long after the last one if anything was committed since; in milliseconds, 0:
   * never.
   */
  readonly checkpointInterval: number
  /** Wait for readers and truncate the -wal when it has grown to this many pages; 0: never. */
  readonly truncatePages: number
  /** Bytes of WAL after which an L0 file ends, at the next commit. */
  readonly maxSyncWalBytes: number
}

export const DEFAULT_PRIMARY_OPTIONS: PrimaryOptions = Object.freeze({
  busyTimeout: 1000,
  minCheckpointPages: 1000,
  checkpointInterval: 60_000,
  truncatePages: 121_359,
  maxSyncWalBytes: 64 * 1024 * 1024,
})
