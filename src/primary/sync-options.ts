import type { DriverName } from '../sqlite/connection.js'

/** How a database is replicated; every default is Litestream's. */
export interface PrimaryOptions {
  /** The folder for staged files and state; default `.<database>-litestream` beside the database. */
  readonly metaPath?: string
  /**
   * The SQLite driver of the primary's own connections: the one that the application opens the database with in the same process.
   * Default: node:sqlite if only that has the database open, otherwise better-sqlite3 if it is installed, otherwise node:sqlite.
   */
  readonly driver?: DriverName
  /** How long the primary waits for a lock of the application, milliseconds. */
  readonly busyTimeout: number
  /** Checkpoint once so many pages of the WAL are not in the database file yet. */
  readonly minCheckpointPages: number
  /** Checkpoint this long after the last one, if anything was committed since; milliseconds, 0: never. */
  readonly checkpointInterval: number
  /** Wait for readers and cut the -wal once it has grown to so many pages; 0: never. */
  readonly truncatePages: number
  /** Bytes of WAL after which a file of level 0 ends, at the next commit. */
  readonly maxSyncWalBytes: number
}

export const DEFAULT_PRIMARY_OPTIONS: PrimaryOptions = Object.freeze({
  busyTimeout: 1000,
  minCheckpointPages: 1000,
  checkpointInterval: 60_000,
  truncatePages: 121_359,
  maxSyncWalBytes: 64 * 1024 * 1024,
})
