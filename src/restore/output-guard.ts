import { rm, stat } from 'node:fs/promises'
import { LitestreamError } from '../errors.js'

const SIDECARS = ['-wal', '-shm', '-journal']

async function statIfThere(file: string) {
  try {
    return await stat(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether a database, or anything that is not an empty file, stands at `output`. */
export async function outputExists(output: string): Promise<boolean> {
  const stats = await statIfThere(output)
  return stats !== undefined && (stats.isDirectory() || stats.size > 0)
}

/**
 * Refuses with OUTPUT_EXISTS to restore over a database, or beside the WAL or journal of one that is gone: SQLite would play
 * that into the restored database.
 */
export async function guardOutput(output: string, force: boolean): Promise<void> {
  const stats = await statIfThere(output)
  if (stats?.isDirectory()) {
    throw new LitestreamError('OUTPUT_EXISTS', `${output} is a directory`, {
      file: output,
      hint: 'Name the file that the database shall be restored to.',
    })
  }
  if (force) return
  if (stats && stats.size > 0) {
    throw new LitestreamError('OUTPUT_EXISTS', `cannot restore, output path already exists: ${output}`, {
      file: output,
      hint: 'Restore to another path, or use force (-force) to replace the file.',
    })
  }
  for (const suffix of SIDECARS) {
    const sidecar = output + suffix
    if (await statIfThere(sidecar)) {
      throw new LitestreamError('OUTPUT_EXISTS', `${sidecar} is left from an earlier database`, {
        file: sidecar,
        hint: 'SQLite would apply it to the restored database: move it away, or use force (-force) to delete it.',
      })
    }
  }
}

/** Removes what SQLite keeps beside a database. To be done before another database gets its name, never after. */
export async function removeSidecars(database: string): Promise<void> {
  for (const suffix of SIDECARS) await rm(database + suffix, { force: true })
}
