import type { DriverChoice } from '../sqlite/connection.js'
import type { ByteSize } from '../util/byte-size.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'

/**
 * The settings for how a primary reads and checkpoints the WAL. The defaults are Litestream's
 * defaults.
 */
export interface SyncSettings {
  /**
   * The state folder, which holds staged files and the state file (default `.<database>-litestream`
   * in the folder of the database).
   */
  readonly metaPath?: string
  /** Maximum time for which the primary waits for a lock of the application (default 1 s). */
  readonly busyTimeout?: Duration
  /**
   * The primary runs a checkpoint when this many pages of the WAL are not in the database file yet
   * (default 1000).
   */
  readonly minCheckpointPages?: number
  /**
   * Time after the last checkpoint until the primary runs another checkpoint (default 1 m). The
   * primary runs no checkpoint if no transaction was committed in this time. With the value 0, the
   * primary runs no checkpoints by time.
   */
  readonly checkpointInterval?: Duration
  /**
   * When the WAL has this many pages (default 121,359), the primary waits for readers and truncates
   * the WAL. The value 0 disables the truncation.
   */
  readonly truncatePages?: number
  /** An L0 file ends at the first commit after this many bytes of the WAL (default 64 MiB). */
  readonly maxSyncWalBytes?: ByteSize
}

/**
 * The settings of the primary in milliseconds and bytes. Each omitted setting has its default
 * value.
 */
export interface PrimaryOptions extends Required<Omit<Resolved<SyncSettings>, 'metaPath'>> {
  readonly metaPath?: string
  /**
   * The SQLite driver of the primary's own connections. The driver must be the driver with which
   * the application opens the database in this process. The default is the driver that has the
   * database open. If no driver has the database open, the default is better-sqlite3 if that
   * package is installed, and otherwise node:sqlite.
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
