import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { fsError, isErrno } from '../fs/fs-error.js'
import { openRegular } from '../fs/open-regular.js'
import { takeExclusiveAccess } from '../restore/exclusive-access.js'

/**
 * Calls `use` with a database file that no other program has open, under SQLite's exclusive lock.
 * Throws INVALID_ARGUMENT if the WAL or the journal of the database is not empty, because their
 * content is not in the database file. Throws NOT_FOUND for a missing file, and OUTPUT_BUSY if
 * another process has opened the database.
 */
export async function withQuietDatabase<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file)
  try {
    const release = takeAccess(file)
    try {
      for (const suffix of ['-wal', '-journal']) await refuseSidecar(file, suffix)
      return await use(handle)
    } finally {
      release()
    }
  } finally {
    await handle.close()
  }
}

async function open(file: string): Promise<FileHandle> {
  try {
    return (await openRegular(file)).handle
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw fsError(error, 'opening', file)
    throw new LitestreamError('NOT_FOUND', `no such file: ${file}`, {
      cause: error,
      file,
      hint: 'Give the path of an existing SQLite database file.',
    })
  }
}

function takeAccess(file: string): () => void {
  try {
    return takeExclusiveAccess(file)
  } catch (error) {
    if (!isLitestreamError(error) || error.code !== 'OUTPUT_BUSY') throw error
    const hint = 'Stop the application that uses the database, then run the command again.'
    throw new LitestreamError('OUTPUT_BUSY', error.message, { cause: error, file, hint })
  }
}

async function refuseSidecar(file: string, suffix: string): Promise<void> {
  const sidecar = file + suffix
  try {
    if ((await stat(sidecar)).size === 0) return
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw fsError(error, 'checking', sidecar)
  }
  throw new LitestreamError('INVALID_ARGUMENT', `${sidecar} contains changes that are not in ${file}`, {
    file: sidecar,
    hint: `Run \`sqlite3 ${file} 'PRAGMA wal_checkpoint(TRUNCATE)'\` first: the checkpoint moves the changes into the database.`,
  })
}
