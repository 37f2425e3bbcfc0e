import type { DriverChoice } from '../sqlite/connection.js'
import type { ByteSize } from '../util/byte-size.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'

/**
 * The settings with which a program controls how the primary reads and checkpoints the WAL. Every
 * default is the default of Litestream.
 */
export interface SyncSettings {
  /**
   * The state folder, which holds staged files and the state file. The default is
   * `.<database>-litestream` beside the database.
   */
  readonly metaPath?: string
  /** How long the primary waits for a lock of the application (default 1 s). */
  readonly busyTimeout?: Duration
  /**
   * The primary runs a checkpoint when this many pages of the WAL are not in the database file yet
   * (default 1000).
   */
  readonly minCheckpointPages?: number
  /**
   * The primary runs a checkpoint this long after the last checkpoint if a transaction was
   * committed after the last checkpoint (default 1 m). The value 0 disables checkpoints by time.
   */
  readonly checkpointInterval?: Duration
  /**
   * When the -wal has grown to this many pages (default 121,359), the primary waits for readers and
   * truncates the -wal. The value 0 disables the truncation of the -wal.
   */
  readonly truncatePages?: number
  /** Size of the WAL after which an L0 file ends at the next commit (default 64 MiB). */
  readonly maxSyncWalBytes?: ByteSize
}

/** The settings of the primary in milliseconds and bytes, with every default. */
export interface PrimaryOptions extends Required<Omit<Resolved<SyncSettings>, 'metaPath'>> {
  readonly metaPath?: string
  /**
   * The SQLite driver of the primary's own connections, which should be the driver with which the
   * application opens the database in the same process. By default, the primary uses the driver
   * that has the database open. If no driver has the database open, the primary uses better-sqlite3
   * if it is installed, and otherwise node:sqlite.
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
