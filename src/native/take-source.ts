import Database from 'better-sqlite3'
import { LitestreamError } from '../errors.js'
import { native, nativePath } from './addon.js'
import { type NativeSource, SOURCE_ENTRY_POINT } from './source-database.js'

/** better-sqlite3 takes the name of the entry point as a second argument, which its types do not know. */
const loadExtension = Database.prototype.loadExtension as (
  this: Database.Database,
  file: string,
  entry: string,
) => unknown

/** Gives the addon access to a connection's file handles. The connection keeps the -wal when it closes, and does not checkpoint then. */
export function takeSource(connection: Database.Database): NativeSource {
  loadExtension.call(connection, nativePath, SOURCE_ENTRY_POINT)
  const source = native.takeSource()
  if (!source) throw new LitestreamError('NATIVE_MISSING', `the addon ${nativePath} did not take the connection`)
  return source
}
