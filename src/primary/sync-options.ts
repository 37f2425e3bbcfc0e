import type { DriverChoice } from '../sqlite/connection.js'
import type { ByteSize } from '../util/byte-size.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'

/** How the WAL is read and checkpointed, as a program gives it; every default is Litestream's. */
export interface SyncSettings {
  /**
   * The state folder, for staged files and state; default `.<database>-litestream` beside the
   * database.
   */
  readonly metaPath?: string
  /** How long the primary waits for a lock of the application; default 1 s. */
  readonly busyTimeout?: Duration
  /** Checkpoint when this many pages of the WAL are not in the database file yet; default 1000. */
  readonly minCheckpointPages?: number
  /**
   * Checkpoint this long after the last one if anything was committed since; 0: never. Default 1 m.
   */
  readonly checkpointInterval?: Duration
  /**
   * Wait for readers and truncate the -wal when it has grown to this many pages; 0: never. Default
   * 121,359.
   */
  readonly truncatePages?: number
  /** Size of the WAL after which an L0 file ends, at the next commit; default 64 MiB. */
  readonly maxSyncWalBytes?: ByteSize
}

/** The options in milliseconds and bytes, with every default. */
export interface PrimaryOptions extends Required<Omit<Resolved<SyncSettings>, 'metaPath'>> {
  readonly metaPath?: string
  /**
   * The SQLite driver of the primary's own connections: the one that the application opens the
   * database with in the same process. Default: the copy that has the database open, otherwise
   * better-sqlite3 if it is installed, otherwise node:sqlite.
   */
  readonly driver?: DriverChoice
}

export const DEFAULT_PRIMARY_OPTIONS: PrimaryOptions = Object.freeze({
  busyTimeout: 1000,
  minCheckpointPages: 1000,
  checkpointInterval: 60_000,
  truncatePages: 121_359,
  maxSyncWalBytes: 64 * 1024 * 1024,
})
