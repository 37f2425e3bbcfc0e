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

/** The steps that differ between restores; each is given the path of the file, under its temporary name. */
export interface PublishSteps<T> {
  build(temporary: string): Promise<T>
  /** Permission bits that a new file may have at most, once it is built; a file that is replaced passes its own on. */
  maxMode(): number
  /** Returns the error for a file that must not get its name, and is kept under the name `kept` instead. */
  check(temporary: string, built: T): Promise<((kept: string) => LitestreamError) | undefined>
  /** The last step before the file gets its name. */
  finish(temporary: string, built: T): Promise<void>
}

/**
 * Lets `build` fill a file under a temporary name, checks it, and gives it its own name once it is whole and on disk; on failure
 * nothing is left but a file that `check` refused. Returns what `build` returned. Throws OUTPUT_EXISTS, OUTPUT_BUSY if the database
 * to be replaced is in use, and what the steps throw.
 */
export async function publish<T>(options: PublishOptions, steps: PublishSteps<T>): Promise<T> {
  const { claim, force, signal } = options
  const output = claim.path
  await guardOutput(output, force)
  // Early, so that a database in use is no surprise after a long download.
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
    // Another program may have made a database there meanwhile.
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

/** `newMode`: the mode of a file that this process creates. Until the end only its owner can read it. */
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

/** A file that is replaced passes its owner and mode on; a new one that root creates belongs to the owner of the folder. */
async function own({ handle }: Temporary, output: string, newMode: number): Promise<void> {
  const { stats } = await resolveTarget(output)
  if (stats) {
    await applyOwnership(handle, ownershipOf(stats), 'file')
  } else {
    await giveToOwnerOf(path.dirname(output), handle)
    await handle.chmod(newMode)
  }
}

/** Gives a file that was refused a name beside the output, in the place of one that was kept before. Returns the name. */
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
    // On disk before the rename: after a power cut SQLite would play the old WAL into the new database.
    await syncDirectory(directory)
    await renameDurably(temporary, output)
  } finally {
    release()
  }
}
