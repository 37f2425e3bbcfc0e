import { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { takeSource } from '../sqlite/take-source.js'

const SQLITE_BUSY = 5

/**
 * Takes SQLite's exclusive lock of a database that is to be replaced, and returns the function that releases it. Throws OUTPUT_BUSY
 * while another connection, of this or another process, has a lock: in WAL mode every open connection has one, with a rollback
 * journal only one that is in a transaction. The database is not read, so that its WAL and journal stay as they are.
 */
export function takeExclusiveAccess(file: string): () => void {
  const driver = findDriver()
  let database: Connection
  try {
    database = driver.open(file)
  } catch {
    // SQLite cannot open it, so no application uses it through SQLite.
    return () => {}
  }
  try {
    const source = takeSource(database)
    // Another failure, such as a file system without locks, says nothing about other connections.
    if (native.sourceLock(source) === SQLITE_BUSY) throw busy(file)
    return () => {
      native.sourceUnlock(source)
      database.close()
    }
  } catch (error) {
    database.close()
    throw error
  }
}

function busy(file: string): LitestreamError {
  return new LitestreamError('OUTPUT_BUSY', `${file} is open in another process or in this one`, {
    file,
    hint: 'Stop the application that uses the database, then restore again; or choose another output path.',
  })
}
