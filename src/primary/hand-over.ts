import { resolve } from 'node:path'
import { LitestreamError } from '../errors.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { sqliteCode } from '../sqlite/sqlite-error.js'
import { readReplicationSettings } from './options.js'
import { type ReplicateOnceOptions, replicateOnce } from './replicate-once.js'
import type { SyncResult } from './replicator-status.js'
import { DEFAULT_PRIMARY_OPTIONS } from './sync-options.js'

/** Maximum number of syncs while an application writes to the database continuously. */
const ATTEMPTS = 5

/**
 * Prepares the database at `path` for replication by Litestream 0.5. After the call, the replica at
 * `url` contains every commit, and the WAL is empty. If the WAL is empty, Litestream starts with a
 * snapshot. If the WAL is not empty, and an application writes and checkpoints the WAL before
 * Litestream starts, Litestream can miss commits. If Litestream has missed commits, a restore of
 * its replica is incorrect.
 *
 * The primary must have stopped before the call. The application may continue to run, but
 * Litestream must start before the application checkpoints a later commit. Throws NOT_FOUND if the
 * database does not exist. Throws DATABASE_BUSY if a reader or a writer prevents emptying the WAL.
 * Also throws all errors of `replicateOnce`.
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
      // Another connection's commit changes the data version. The first sync also commits, so the
      // loop syncs once more after the first sync.
      const before = db.value('PRAGMA data_version')
      const result = await replicateOnce(file, url, options)
      if (db.value('PRAGMA data_version') !== before) continue
      emptyWal(db, file)
      return result
    }
  } finally {
    db.close()
  }
  throw busy(file, `another process wrote to ${file} during each of ${ATTEMPTS} syncs`)
}

/**
 * Copies the WAL to the database file and truncates the WAL. SQLite's locks prevent commits between
 * the copy and the truncation.
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
    hint: 'Stop the application that uses the database, or wait until its transactions have ended. Then run litestream-ts handover again.',
  })
}
