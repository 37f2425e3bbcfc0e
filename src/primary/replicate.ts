import type { DriverChoice } from '../sqlite/connection.js'
import type { DriverClass } from '../sqlite/driver-class.js'
import type { StoreOptions } from '../storage/open.js'
import type { WaitOptions } from '../util/wait.js'
import type { ReplicationSettings } from './options.js'
import type { Replication } from './replication.js'

export type { Replication } from './replication.js'

/** `signal` and `timeout` end only the opening of the replica, not the replication. */
export interface ReplicateOptions extends ReplicationSettings, WaitOptions {
  /**
   * The SQLite driver with which the application opens the database in this process. `driver` is
   * the driver's name or its class (`Database` of better-sqlite3, `DatabaseSync` of node:sqlite).
   * If several copies of better-sqlite3 are installed, pass the class of the copy that the
   * application uses. The default is the driver that has the database open. If no driver has the
   * database open, the default is better-sqlite3 if that package is installed, and otherwise
   * node:sqlite.
   */
  readonly driver?: DriverChoice | DriverClass
  /**
   * Settings of the store. The settings of the store must be plain data, because they are sent to a
   * worker thread.
   */
  readonly storage?: StoreOptions
}

/**
 * Replicates the database at `path` to `url` until the returned Replication is closed. The
 * replication runs in a worker thread. If the database does not exist yet, the replication starts
 * when the database exists. Throws INVALID_URL if `url` is not a valid replica URL, and
 * INVALID_ARGUMENT if an argument is invalid. Throws DATABASE_SHARED if the process has opened the
 * database through a second copy of SQLite. Throws DRIVER_MISSING if no SQLite driver is available,
 * and TIMEOUT after `timeout`. Also throws errors that occur when the store is opened.
 *
 * The application may use the database in this process through the SQLite driver of the option
 * `driver`. Two copies of SQLite in one process break each other's locks. On Linux the primary
 * detects a second copy of SQLite, even if the copy opens the database later, and ends the
 * replication with DATABASE_SHARED.
 *
 * @example
 * const replication = await replicate('app.db', 's3://bucket/app.db')
 * await replication.sync({ wait: true })
 * await replication.close()
 */
export async function replicate(path: string, url: string, options: ReplicateOptions = {}): Promise<Replication> {
  // start-replication.js is imported at the first call, because a program that only reads replicas
  // does not need this module.
  const { startReplication } = await import('./start-replication.js')
  return startReplication(path, url, options)
}
