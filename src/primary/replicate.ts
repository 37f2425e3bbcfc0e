import type { DriverChoice } from '../sqlite/connection.js'
import type { DriverClass } from '../sqlite/driver-class.js'
import type { StoreOptions } from '../storage/open.js'
import type { WaitOptions } from '../util/wait.js'
import type { ReplicationSettings } from './options.js'
import type { Replication } from './replication.js'

export type { Replication } from './replication.js'

/** `signal` and `timeout` end the opening of the replica, and no more. */
export interface ReplicateOptions extends ReplicationSettings, WaitOptions {
  /**
   * The driver with which the application opens the database in this process: its name, or its
   * class (`Database` of better-sqlite3, `DatabaseSync` of node:sqlite), which also says which copy
   * of better-sqlite3. Default: the copy that has the database open, otherwise better-sqlite3 if it
   * is installed, otherwise node:sqlite.
   */
  readonly driver?: DriverChoice | DriverClass
  /** Settings of the store; they go to a worker thread and have to be plain data. */
  readonly storage?: StoreOptions
}

/**
 * Replicates the database at `path` to `url` until the handle is closed. All work runs in a worker
 * thread. If the database does not exist yet, replication waits for it. Throws INVALID_URL,
 * INVALID_ARGUMENT, DATABASE_SHARED, DRIVER_MISSING, TIMEOUT and errors of opening the store.
 *
 * The application may use the database in this process through the same driver (option `driver`):
 * better-sqlite3 or node:sqlite. Two copies of SQLite in one process break each other's locks. On
 * Linux this is detected, also if it happens later: replication then ends with DATABASE_SHARED.
 *
 * @example
 * const replication = await replicate('app.db', 's3://bucket/app.db')
 * await replication.sync({ wait: true })
 * await replication.close()
 */
export async function replicate(path: string, url: string, options: ReplicateOptions = {}): Promise<Replication> {
  // Loaded at the first call: a program that only reads replicas does not need this code.
  const { startReplication } = await import('./start-replication.js')
  return startReplication(path, url, options)
}
