import { LitestreamError } from '../errors.js'
import { native } from '../native/addon.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { takeSource } from '../sqlite/take-source.js'

const SQLITE_BUSY = 5

/**
 * Takes SQLite's exclusive lock of a database that will be replaced. Returns a function that
 * releases the lock. Throws OUTPUT_BUSY if another connection holds a lock. The other connection
 * may belong to this process or to another process. In WAL mode, every open connection holds a
 * lock. With a rollback journal, only a connection in a transaction holds a lock.
 * takeExclusiveAccess() does not read the database, so the WAL and the journal of the database stay
 * unchanged.
 */
export function takeExclusiveAccess(file: string): () => void {
  const driver = findDriver()
  let database: Connection
  try {
    database = driver.open(file)
  } catch {
    // If SQLite cannot open the file, no application uses the file through SQLite.
    return () => {}
  }
  try {
    const source = takeSource(database)
    // Any other failure, for example on a file system without locks, does not show whether other
    // connections exist.
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
  return new LitestreamError('OUTPUT_BUSY', `${file} is open in another process or in this process`, {
    file,
    hint: 'Stop the application that uses the database, then restore again; or choose another output path.',
  })
}
