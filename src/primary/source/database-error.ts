import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { sqliteCode } from '../../sqlite/sqlite-error.js'

/** Turns an error of SQLite about the database at `file` into one of ours; ours pass through. */
export function databaseError(error: unknown, file: string, doing: string): LitestreamError {
  if (isLitestreamError(error)) return error
  const code = sqliteCode(error) ?? String((error as { code?: unknown }).code ?? '')
  const message = `${file}: ${doing} failed: ${error instanceof Error ? error.message : String(error)}`
  const details = { file, cause: error }
  const readOnly = readOnlyError(file, doing, error)
  if (readOnly) return readOnly
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const hint = 'Another connection holds the lock: end its transaction, or raise busy-timeout.'
    return new LitestreamError('DATABASE_BUSY', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_NOTADB')) {
    const hint = 'This is not an SQLite database, or it is encrypted: name the database file itself.'
    return new LitestreamError('DATABASE_INVALID', `${file}: not an SQLite database`, { ...details, hint })
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    const hint = 'Run `PRAGMA integrity_check`, and restore the database from its replica if it is damaged.'
    return new LitestreamError('DATABASE_INVALID', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC' || code === 'EDQUOT') {
    const hint = 'Free disk space; replication continues automatically.'
    return new LitestreamError('DISK_FULL', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_PERM') || code === 'EACCES' || code === 'EPERM') {
    const hint = 'Replication needs to write to the database and its directory: run it as the user that owns them.'
    return new LitestreamError('ACCESS_DENIED', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_CANTOPEN') && isDirectory(file)) {
    const hint = 'Name a database file; all databases of a directory are replicated with `dir` in the configuration.'
    return new LitestreamError('DATABASE_INVALID', `${file} is a directory`, { ...details, hint })
  }
  if (code === 'ELOOP' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') {
    const { hint } = fsError(error, doing, file)
    return new LitestreamError('DATABASE_INVALID', message, { ...details, ...(hint ? { hint } : {}) })
  }
  const hint = 'Check that the path names an SQLite database on a local disk and that its directory is writable.'
  return new LitestreamError('DATABASE_INVALID', message, { ...details, hint })
}

/**
 * ACCESS_DENIED if the database is on a file system that is mounted read-only. SQLite reports that as a lock it cannot get or as a
 * file it cannot open, depending on which of its files exist.
 */
export function readOnlyError(file: string, doing: string, cause?: unknown): LitestreamError | undefined {
  for (const place of [file, path.dirname(file)]) {
    try {
      accessSync(place, constants.W_OK)
    } catch (error) {
      if (!isErrno(error, 'EROFS')) continue
      const message = `${file}: ${doing} failed: its file system is mounted read-only`
      const hint =
        'Mount the file system writable: replication writes to the database, its -shm file and its local files.'
      return new LitestreamError('ACCESS_DENIED', message, { file, hint, cause })
    }
  }
  return undefined
}

/** False also if the path cannot be followed to its end. */
function isDirectory(file: string): boolean {
  try {
    return statSync(file).isDirectory()
  } catch {
    return false // the error that is being explained says more
  }
}

/** As databaseError, for what may go wrong anywhere between the database and its replica. */
export function asReplicationError(error: unknown, path: string): LitestreamError {
  return databaseError(error, path, 'replicating it')
}
