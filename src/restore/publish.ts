import path from 'node:path'
import type { LitestreamError } from '../errors.js'
import { syncDirectory } from '../fs/directory.js'
import { renameDurably } from '../fs/durable.js'
import { fsError } from '../fs/fs-error.js'
import { syncHandle } from '../fs/handle.js'
import { applyOwnership, giveToOwnerOf, ownershipOf } from '../fs/owner.js'
import { removeFile } from '../fs/remove.js'
import { resolveTarget } from '../fs/target.js'
import { createTemporary, keptPath, removeKept, type Temporary } from '../fs/temporary.js'
import { throwIfAborted } from '../util/abort.js'
import { takeExclusiveAccess } from './exclusive-access.js'
import { guardOutput, type OutputClaim, removeSidecars } from './output.js'

export interface PublishOptions {
  readonly claim: OutputClaim
  readonly force: boolean
  readonly signal: AbortSignal
}

/** The steps that differ between restores. Each step receives the path of the temporary file. */
export interface PublishSteps<T> {
  build(temporary: string): Promise<T>
  /**
   * Returns the maximum permission bits of a new output file. The bits are known after `build`. If
   * the output replaces another file, it gets the permission bits of that file instead.
   */
  maxMode(): number
  /**
   * Returns an error for a temporary file that must not become the output. The refused temporary
   * file is kept under the name `kept`.
   */
  check(temporary: string, built: T): Promise<((kept: string) => LitestreamError) | undefined>
  /** The last step before the temporary file is renamed. */
  finish(temporary: string, built: T): Promise<void>
}

/**
 * Calls `build`, which fills a temporary file. After `build`, checks the temporary file. Renames
 * the temporary file to the output when the temporary file is complete and on disk. After a
 * failure, no temporary file is left, except a file that `check` refused. Returns the result of
 * `build`. Throws OUTPUT_EXISTS, and OUTPUT_BUSY if the existing database is in use. Also throws
 * the errors of the steps.
 */
export async function publish<T>(options: PublishOptions, steps: PublishSteps<T>): Promise<T> {
  const { claim, force, signal } = options
  const output = claim.path
  await guardOutput(output, force)
  // The lock is tried before `build`. A database in use is therefore detected before a long
  // download.
  const release = await takeAccess(output)
  release()
  const { temporary, newMode } = await create(output)
  try {
    const built = await steps.build(temporary.path)
    const refusal = await steps.check(temporary.path, built)
    throwIfAborted(signal, `restoring ${output}`)
    await removeSidecars(temporary.path)
    await own(temporary, output, newMode & steps.maxMode())
    await syncHandle(temporary.handle)
    await temporary.handle.close()
    if (refusal) throw refusal(await keep(temporary.path, output))
    // Another program may have created a database at the output during the restore.
    await guardOutput(output, force)
    await replace(temporary.path, output, () => steps.finish(temporary.path, built))
    return built
  } catch (error) {
    await removeSidecars(temporary.path)
    await removeFile(temporary.path)
    throw error
  } finally {
    await temporary.handle.close()
  }
}

/**
 * Creates the temporary file. Only the owner of the temporary file can read it until the restore
 * ends. `newMode` is the mode that this process gives to new files.
 */
async function create(output: string): Promise<{ readonly temporary: Temporary; readonly newMode: number }> {
  try {
    const temporary = await createTemporary(output, 0o666)
    const { mode } = await temporary.handle.stat()
    await temporary.handle.chmod(0o600)
    return { temporary, newMode: mode & 0o777 }
  } catch (error) {
    throw fsError(error, 'creating a file beside', output)
  }
}

/**
 * Gives the temporary file its owner and mode. If an output exists, the temporary file gets the
 * owner and mode of the output. A new file that root creates gets the owner of the folder.
 */
async function own({ handle }: Temporary, output: string, newMode: number): Promise<void> {
  const { stats } = await resolveTarget(output)
  if (stats) {
    await applyOwnership(handle, ownershipOf(stats), 'file')
  } else {
    await giveToOwnerOf(path.dirname(output), handle)
    await handle.chmod(newMode)
  }
}

/**
 * Renames a refused file to a name beside the output. Returns that name. If an earlier refused file
 * has the same name, the earlier file is replaced.
 */
async function keep(temporary: string, output: string): Promise<string> {
  await removeKept(output)
  const kept = keptPath(output)
  await renameDurably(temporary, kept)
  return kept
}

async function takeAccess(output: string): Promise<() => void> {
  const { stats } = await resolveTarget(output)
  return stats ? takeExclusiveAccess(output) : () => {}
}

async function replace(temporary: string, output: string, finish: () => Promise<void>): Promise<void> {
  const directory = path.dirname(output)
  const release = await takeAccess(output)
  try {
    await finish()
    await removeSidecars(output)
    // The removal of the old WAL must be on disk before the rename. After a power cut, SQLite would
    // otherwise apply the old WAL to the new database.
    await syncDirectory(directory)
    await renameDurably(temporary, output)
  } finally {
    release()
  }
}
