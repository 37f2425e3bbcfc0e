import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import path from 'node:path'
import { LitestreamError } from '../errors.js'
import { makeDirectory } from '../fs/directory.js'
import { fsError, isErrno } from '../fs/fs-error.js'
import { kindOf } from '../fs/kind.js'
import { PathClaims } from '../fs/path-claims.js'
import { removeFile } from '../fs/remove.js'
import { resolveTarget } from '../fs/target.js'
import { TargetLock, type TargetLockOptions } from '../fs/target-lock.js'
import { sweepTemporary } from '../fs/temporary.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { replicaFolder } from '../storage/replica-folder.js'

const SIDECARS = ['-wal', '-shm', '-journal']

/**
 * Whether a non-empty database exists at `output`. Throws OUTPUT_EXISTS if `output` is not a
 * regular file.
 */
export async function outputExists(output: string): Promise<boolean> {
  try {
    return ((await resolveTarget(output)).stats?.size ?? 0) > 0
  } catch (error) {
    throw fsError(error, 'checking', output)
  }
}

/**
 * Throws OUTPUT_EXISTS if a restore would replace a database without `force`. Also throws
 * OUTPUT_EXISTS if the WAL or journal of a deleted database exists, because SQLite would apply it
 * to the restored database.
 */
export async function guardOutput(output: string, force: boolean): Promise<void> {
  const exists = await outputExists(output)
  const { path: real } = await resolveTarget(output)
  if (exists && !force) {
    throw new LitestreamError('OUTPUT_EXISTS', `cannot restore, output path already exists: ${output}`, {
      file: output,
      hint: 'Restore to another path, or replace the existing file with -force (option force).',
    })
  }
  for (const suffix of SIDECARS) {
    const sidecar = real + suffix
    const stats = await statIfThere(sidecar)
    if (!stats || (force && (stats.isFile() || stats.isSymbolicLink()))) continue
    const remedy = stats.isFile()
      ? 'Move the file to another folder, or delete the file with -force (option force)'
      : 'Move the file away'
    throw new LitestreamError('OUTPUT_EXISTS', `${sidecar} (${kindOf(stats)}) is left over from an earlier database`, {
      file: sidecar,
      hint: `${remedy}: SQLite would apply this file to the restored database.`,
    })
  }
}

/**
 * Folders of a replica that may contain only the files of the replica. Litestream 0.5 uses `ltx`,
 * and Litestream 0.3 uses `generations`.
 */
const OWN_FOLDERS = ['ltx', 'generations']

/**
 * Throws INVALID_ARGUMENT if the output is inside a folder that contains the files of the replica.
 */
export function refuseInsideReplica(output: string, client: ReplicaClient): void {
  const folder = replicaFolder(client)
  if (!folder) return
  const own = OWN_FOLDERS.map((name) => ({ ...folder, path: path.join(folder.path, name) }))
  if (!new PathClaims().add(output, [...own, { path: output, tree: false, what: 'the output' }])) return
  throw new LitestreamError('INVALID_ARGUMENT', `the output ${output} is inside the replica ${client.url}`, {
    file: output,
    hint: 'Choose an output path outside of the folder that contains the replica.',
  })
}

async function statIfThere(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw fsError(error, 'checking', file)
  }
}

/**
 * Removes the files that SQLite keeps beside a database. The caller must call `removeSidecars`
 * before another database gets the name of `database`. A later call would remove the files of the
 * other database.
 */
export async function removeSidecars(database: string): Promise<void> {
  for (const suffix of SIDECARS) await removeFile(database + suffix)
}

/** The exclusive right of one process to write an output. */
export class OutputClaim {
  /** The path of the output. Symbolic links in the path are resolved. */
  readonly path: string
  readonly #lock: TargetLock

  private constructor(path: string, lock: TargetLock) {
    this.path = path
    this.#lock = lock
  }

  /**
   * Takes the exclusive right to write an output. Creates the folder of the output. Also removes
   * files that killed restores have left in the folder. Throws OUTPUT_BUSY, OUTPUT_EXISTS.
   */
  static async take(output: string, options: TargetLockOptions): Promise<OutputClaim> {
    try {
      const absolute = path.resolve(output)
      await makeDirectory(path.dirname(absolute))
      const { path: real } = await resolveTarget(absolute)
      const lock = await TargetLock.acquire(real, options)
      try {
        await sweepTemporary(real)
        return new OutputClaim(real, lock)
      } catch (error) {
        await lock.release()
        throw error
      }
    } catch (error) {
      throw fsError(error, 'preparing', output)
    }
  }

  async release(): Promise<void> {
    await this.#lock.release()
  }
}
