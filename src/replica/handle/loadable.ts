import { addonPath } from '../../native/addon.js'
import type { ExtensionLoader } from '../../sqlite/driver-class.js'
import { ensureWorker } from './worker-host.js'

/**
 * Returns the path of the loadable SQLite extension, for programs that load extensions by path.
 * `sqlite3_load_extension` finds the entry point of the extension if the program gives no name.
 * Like `load`, `getLoadablePath` starts the replica worker, because the extension works only in a
 * process with a replica worker.
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
 * Registers the `litestream` VFS with the connection's copy of SQLite until the process ends, and
 * starts the replica worker. The program may pass any connection. A connection to `:memory:` is
 * sufficient. `load` changes no database.
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
