import { resolve } from 'node:path'
import { LitestreamError } from '../errors.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { sqliteCode } from '../sqlite/sqlite-error.js'
import { readReplicationSettings } from './options.js'
import { type ReplicateOnceOptions, replicateOnce } from './replicate-once.js'
import type { SyncResult } from './replicator-status.js'
import { DEFAULT_PRIMARY_OPTIONS } from './sync-options.js'

/** Maximum number of syncs for a database that is written to continuously. */
const ATTEMPTS = 5

/**
 * Leaves the database at `path` in a state in which Litestream 0.5 can continue its replication:
 * the replica at `url` has every commit, and the WAL is empty. Litestream begins with a snapshot if
 * the WAL is empty. If the WAL was written and checkpointed while no process replicated it,
 * Litestream can miss commits, and its replica is then broken.
 *
 * The primary must have stopped. The application may keep running, but once it checkpoints a commit
 * made after this call, the state is no longer safe: start Litestream directly afterwards. Throws
 * NOT_FOUND, DATABASE_BUSY if a reader or a writer prevents emptying the WAL, and errors of
 * `replicateOnce`, also for a database that another process replicates.
 */
export async function handOver(path: string, url: string, options: ReplicateOnceOptions = {}): Promise<SyncResult> {
  const file = resolve(path)
  await replicateOnce(file, url, options)
  const { busyTimeout = DEFAULT_PRIMARY_OPTIONS.busyTimeout } = readReplicationSettings(
    { busyTimeout: options.busyTimeout },
    'handOver',
  )
  const db = findDriver(options.driver).open(file, { busyTimeout })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // A commit of another connection changes the version, and so do this package's own writes of
      // the first sync.
      const before = db.value('PRAGMA data_version')
      const result = await replicateOnce(file, url, options)
      if (db.value('PRAGMA data_version') !== before) continue
      emptyWal(db, file)
      return result
    }
  } finally {
    db.close()
  }
  throw busy(file, `${file} was written to during each of ${ATTEMPTS} syncs`)
}

/**
 * Copies the WAL into the database and truncates it, under SQLite's own locks: no commit can happen
 * in between.
 */
function emptyWal(db: Connection, file: string): void {
  let row: Record<string, unknown> | undefined
  try {
    row = db.rows('PRAGMA wal_checkpoint(TRUNCATE)')[0]
  } catch (error) {
    if (!sqliteCode(error)?.startsWith('SQLITE_BUSY') && !sqliteCode(error)?.startsWith('SQLITE_LOCKED')) throw error
  }
  if (row === undefined || Number(row.busy) !== 0) throw busy(file, `the WAL of ${file} is in use`)
}

function busy(file: string, message: string): LitestreamError {
  return new LitestreamError('DATABASE_BUSY', message, {
    file,
    hint: 'Stop the application, or wait for its long transactions to end, and run the command again.',
  })
}
