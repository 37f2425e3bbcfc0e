import { link, lstat, rename } from 'node:fs/promises'
import path from 'node:path'
import { abortError } from '../util/abort.js'
import { syncDirectory } from './directory.js'
import { Flushing } from './flushing.js'
import { isErrno } from './fs-error.js'
import { setTime, syncHandle } from './handle.js'
import { applyOwnership, giveToOwnerOf, type Ownership, ownershipOf } from './owner.js'
import { removeFile } from './remove.js'
import { resolveTarget } from './target.js'
import { createTemporary } from './temporary.js'

export interface DurableWriteOptions {
  /** Milliseconds since the epoch: the file's mtime. */
  readonly mtime?: number
  /** Fail with EEXIST if the name is taken. */
  readonly createOnly?: boolean
  /** Without it, a replaced file keeps its owner and mode; a new one has those that the process gives. */
  readonly ownership?: Ownership
  readonly signal?: AbortSignal
}

/**
 * Writes `file` so that at any moment, also after a power cut, its name stands for all of the new content or for what was there
 * before: temporary file, fsync, rename (or link, which fails with EEXIST on a name that is taken), fsync of the directory. Its
 * directory must exist. A symbolic link stays, and the file behind it is replaced; see resolveTarget. Returns the size.
 */
export async function writeDurably(
  file: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  options: DurableWriteOptions,
): Promise<number> {
  const { mtime, createOnly, signal } = options
  const target = createOnly ? { path: file, stats: undefined } : await resolveTarget(file)
  const ownership = options.ownership ?? (target.stats && ownershipOf(target.stats))
  const { path: temporary, handle } = await createTemporary(target.path, ownership ? 0o600 : 0o666)
  const flushing = new Flushing(handle)
  let size = 0
  try {
    try {
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        if (signal?.aborted) throw abortError(signal, `writing ${file}`)
        await handle.writeFile(chunk)
        size += chunk.byteLength
        flushing.wrote(size)
      }
      if (signal?.aborted) throw abortError(signal, `writing ${file}`)
      if (ownership !== undefined) await applyOwnership(handle, ownership, 'file')
      else await giveToOwnerOf(path.dirname(target.path), handle)
      if (mtime !== undefined) await setTime(handle, mtime)
      await flushing.end()
      await syncHandle(handle)
    } finally {
      await flushing.settled()
      await handle.close()
    }
    if (createOnly) await nameOnce(temporary, target.path)
    else await rename(temporary, target.path)
  } catch (error) {
    await removeFile(temporary)
    throw error
  }
  if (createOnly) await removeFile(temporary)
  await syncDirectory(path.dirname(target.path))
  return size
}

/** Gives a file that is on disk another name, in the place of a file that has it, so that it survives a power cut. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncDirectory(path.dirname(to))
}

/** Fails with EEXIST if `file` exists. */
async function nameOnce(temporary: string, file: string): Promise<void> {
  try {
    await link(temporary, file)
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
    // A file system without links (FAT, some FUSE): check, then rename. Two writers in the same instant are not told apart there.
    if (await exists(file))
      throw Object.assign(new Error(`EEXIST: ${file} exists`, { cause: error }), { code: 'EEXIST' })
    await rename(temporary, file)
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
