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

/** The steps that differ between restores; each receives the temporary path of the file. */
export interface PublishSteps<T> {
  build(temporary: string): Promise<T>
  /**
   * Maximum permission bits of a new file, known after it is built; a replaced file keeps its own.
   */
  maxMode(): number
  /** Returns an error for a file that must not be published, and is kept as `kept` instead. */
  check(temporary: string, built: T): Promise<((kept: string) => LitestreamError) | undefined>
  /** The last step before the rename. */
  finish(temporary: string, built: T): Promise<void>
}

/**
 * Lets `build` fill a temporary file, checks it, and renames it when it is complete and on disk.
 * After a failure no file is left, except one that `check` refused. Returns the result of `build`.
 * Throws OUTPUT_EXISTS, OUTPUT_BUSY if the existing database is in use, and errors of the steps.
 */
export async function publish<T>(options: PublishOptions, steps: PublishSteps<T>): Promise<T> {
  const { claim, force, signal } = options
  const output = claim.path
  await guardOutput(output, force)
  // Checked early, so that a database in use is detected before a long download.
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
    // Another program may have created a database meanwhile.
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
 * `newMode`: the mode of a file that this process creates. Until the end only its owner can read
 * it.
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
 * A replaced file keeps its owner and mode; a new file that root creates belongs to the owner of
 * the folder.
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
 * Renames a refused file to a name beside the output, replacing one that was kept before. Returns
 * the name.
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
    // On disk before the rename: after a power cut SQLite would otherwise apply the old WAL to the
    // new database.
    await syncDirectory(directory)
    await renameDurably(temporary, output)
  } finally {
    release()
  }
}
