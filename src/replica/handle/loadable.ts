import { addonPath } from '../../native/addon.js'
import type { ExtensionLoader } from '../../sqlite/driver-class.js'
import { ensureWorker } from './worker-host.js'

/**
 * The path of the loadable SQLite extension, for programs that load extensions by path;
 * `sqlite3_load_extension` finds the entry point itself. Starts the worker that serves replicas, as
 * `load` does: the extension works only in this process.
 *
 * @example
 * const db = new Database(':memory:')
 * db.loadExtension(getLoadablePath())
 */
export function getLoadablePath(): string {
  ensureWorker()
  return addonPath()
}

/**
 * Registers the `litestream` VFS with the copy of SQLite behind this connection, until the process
 * ends, and starts the worker that serves replicas. Any connection works, including one to
 * `:memory:`; no database is changed.
 *
 * @example
 * load(new Database(':memory:'))
 * const uri = 'file:users?vfs=litestream&replica_url=s3://bucket/app.db'
 * const db = new Database(uri, { readonly: true })
 * db.close()
 */
export function load(connection: ExtensionLoader): void {
  connection.loadExtension(addonPath())
  ensureWorker()
}
