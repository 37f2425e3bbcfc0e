import { addonPath } from '../../native/addon.js'
import { ensureWorker } from './worker-host.js'

/** A driver's connection, as far as loading an extension goes: better-sqlite3's and node:sqlite's both fit. */
export interface ExtensionLoader {
  loadExtension(path: string): unknown
}

/**
 * The path of the loadable SQLite extension, for what loads extensions by their path; `sqlite3_load_extension` finds its entry point
 * by itself. Starts the worker that serves replicas, as `load` does: the extension works in this process only.
 */
export function getLoadablePath(): string {
  ensureWorker()
  return addonPath()
}

/**
 * Registers the `litestream` VFS with the copy of SQLite behind this connection, for the life of the process, and starts the worker
 * that serves replicas. Any connection will do, also one to `:memory:`; no database is touched.
 *
 * @example
 * load(new Database(':memory:'))
 * const db = new Database('file:app.db?vfs=litestream&replica_url=s3://bucket/app', { readonly: true })
 */
export function load(connection: ExtensionLoader): void {
  connection.loadExtension(addonPath())
  ensureWorker()
}
