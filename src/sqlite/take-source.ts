import { LitestreamError } from '../errors.js'
import { addonPath, native } from '../native/addon.js'
import type { NativeSource } from '../native/source-database.js'
import type { Connection } from './connection.js'

/**
 * Gives the addon access to a connection's file handles. native/napi/source_database_napi.cc
 * describes the steps. When this connection closes, SQLite keeps the -wal and does not checkpoint.
 */
export function takeSource(connection: Connection): NativeSource {
  native.expectSource()
  let source: NativeSource | undefined
  try {
    connection.loadExtension(addonPath())
  } finally {
    source = native.takeSource()
  }
  if (!source)
    throw new LitestreamError('NATIVE_MISSING', `the native addon ${addonPath()} did not accept the connection`)
  return source
}
