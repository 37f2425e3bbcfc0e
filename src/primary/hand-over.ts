import { resolve } from 'node:path'
import { LitestreamError } from '../errors.js'
import type { Connection } from '../sqlite/connection.js'
import { findDriver } from '../sqlite/find-driver.js'
import { sqliteCode } from '../sqlite/sqlite-error.js'
import { type ReplicateOnceOptions, replicateOnce } from './replicate-once.js'
import type { SyncResult } from './replicator-status.js'

/** Syncs before a database that is written to all the time is given up. */
const ATTEMPTS = 5

/**
 * Leaves the database at `path` so that Litestream 0.5 can go on with it: the replica at `url` has every commit, and the WAL is
 * empty. Litestream takes an empty WAL for what it is, and begins with a full copy; of a WAL that was written and checkpointed
 * while nothing replicated it can miss commits, and its replica is broken then.
 *
 * The primary must have stopped; the application may go on, but a commit after this call ends what the call has achieved once the
 * application checkpoints: start Litestream directly afterwards. Throws NOT_FOUND, DATABASE_BUSY if a reader or a writer does not
 * let the WAL be emptied, and what `replicateOnce` throws: for a database that another process replicates, too.
 */
export async function handOver(path: string, url: string, options: ReplicateOnceOptions = {}): Promise<SyncResult> {
  const file = resolve(path)
  await replicateOnce(file, url, options)
  const db = findDriver(options.driver).open(file, { busyTimeout: options.busyTimeout ?? 1000 })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // A commit of another connection changes the version, this package's own writes of the first sync too.
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

/** Copies the WAL into the database and cuts it to nothing, under SQLite's own locks: no commit is between the two. */
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
