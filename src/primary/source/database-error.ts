import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { kindOf } from '../../fs/kind.js'
import { sqliteCode } from '../../sqlite/sqlite-error.js'

/**
 * Converts an SQLite error about the database at `file` to a LitestreamError. Returns a
 * LitestreamError unchanged.
 */
export function databaseError(error: unknown, file: string, doing: string): LitestreamError {
  if (isLitestreamError(error)) return error
  const code = sqliteCode(error) ?? String((error as { code?: unknown }).code ?? '')
  const message = `${file}: ${doing} failed: ${error instanceof Error ? error.message : String(error)}`
  const details = { file, cause: error }
  const refused = unwritableError(file, doing, { cause: error, directory: /CANTOPEN|READONLY|PERM/.test(code) })
  if (refused) return refused
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const hint =
      'End the transaction that holds the lock on the database, or raise the setting busy-timeout (option busyTimeout).'
    return new LitestreamError('DATABASE_BUSY', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_NOTADB')) {
    const hint = 'Give the path of an SQLite database file. This file is encrypted or is not an SQLite database.'
    return new LitestreamError('DATABASE_INVALID', `${file}: not an SQLite database`, { ...details, hint })
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    const hint = 'Run `PRAGMA integrity_check`, and restore the database from its replica if the check finds damage.'
    return new LitestreamError('DATABASE_INVALID', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC' || code === 'EDQUOT') {
    const hint = 'Free disk space: replication then continues automatically.'
    return new LitestreamError('DISK_FULL', message, { ...details, hint })
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_PERM') || code === 'EACCES' || code === 'EPERM') {
    const hint =
      'Run the process as the user that owns the database and its directory: replication writes to the file and to the directory.'
    return new LitestreamError('ACCESS_DENIED', message, { ...details, hint })
  }
  const special = code.startsWith('SQLITE_CANTOPEN') ? specialFileError(file) : undefined
  if (special) return special
  if (code === 'ELOOP' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') {
    const { hint } = fsError(error, doing, file)
    return new LitestreamError('DATABASE_INVALID', message, { ...details, ...(hint ? { hint } : {}) })
  }
  const hint =
    'Check that the path names an SQLite database on a local disk, and that the directory of the database is writable.'
  return new LitestreamError('DATABASE_INVALID', message, { ...details, hint })
}

/**
 * Returns ACCESS_DENIED if this user cannot write to the database, or if its file system is mounted
 * read-only. If a write permission is missing, SQLite's error says that the database is locked or
 * that a file cannot be opened. If `directory` is true, also returns ACCESS_DENIED if the user
 * cannot create files in the folder of the database.
 */
export function unwritableError(
  file: string,
  doing: string,
  { cause, directory }: { readonly cause?: unknown; readonly directory: boolean },
): LitestreamError | undefined {
  for (const place of [file, path.dirname(file)]) {
    try {
      accessSync(place, constants.R_OK | constants.W_OK)
    } catch (error) {
      if (isErrno(error, 'EACCES') && (place === file || directory)) return deniedError(file, place, doing, cause)
      if (!isErrno(error, 'EROFS')) continue
      const message = `${file}: ${doing} failed: the file system of the database is mounted read-only`
      const hint =
        'Remount the file system writable: replication writes to the database, its -shm file and its state folder.'
      return new LitestreamError('ACCESS_DENIED', message, { file, hint, cause })
    }
  }
  return undefined
}

function deniedError(file: string, place: string, doing: string, cause: unknown): LitestreamError {
  const what = place === file ? 'the file' : `the directory ${place}`
  const message = `${file}: ${doing} failed: this user cannot read and write ${what}`
  const hint =
    'Run the process as the user that owns the database and its directory: replication writes to the file and to the directory.'
  return new LitestreamError('ACCESS_DENIED', message, { file, hint, cause })
}

/**
 * Returns DATABASE_INVALID if the file is a directory, a device, a FIFO or a socket. SQLite itself
 * would open a device and write to the device.
 */
export function specialFileError(file: string): LitestreamError | undefined {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (!stats || stats.isFile()) return undefined
  if (!stats.isDirectory()) {
    const hint = 'Give the path of a database file.'
    return new LitestreamError('DATABASE_INVALID', `${file} is ${kindOf(stats)}, not a regular file`, { file, hint })
  }
  const hint =
    'Give the path of a database file. To replicate every database of a directory, set `dir` in the configuration.'
  return new LitestreamError('DATABASE_INVALID', `${file} is a directory`, { file, hint })
}

/**
 * Converts an error of reading the database or of writing the replica to a LitestreamError, as
 * databaseError does.
 */
export function asReplicationError(error: unknown, path: string): LitestreamError {
  return databaseError(error, path, 'replicating the database')
}
