import { link, lstat } from 'node:fs/promises'
import path from 'node:path'
import { abortError } from '../util/abort.js'
import { syncDirectory } from './directory.js'
import { Flushing } from './flushing.js'
import { isErrno } from './fs-error.js'
import { setTime, syncHandle } from './handle.js'
import { applyOwnership, giveToOwnerOf, type Ownership, ownershipOf } from './owner.js'
import { removeFile } from './remove.js'
import { replaceFile } from './replace-file.js'
import { resolveTarget } from './target.js'
import { createTemporary } from './temporary.js'

export interface DurableWriteOptions {
  /** Modification time to set, in milliseconds since the epoch. */
  readonly mtime?: number
  /** Whether the write fails with EEXIST if the file already exists. */
  readonly createOnly?: boolean
  /**
   * Owner and mode of the written file. By default, the new content gets the owner and mode of the
   * replaced file. If no file is replaced, the new file gets the default owner and mode of the
   * process.
   */
  readonly ownership?: Ownership
  readonly signal?: AbortSignal
}

/**
 * Writes `file` atomically. At any moment, also after a power cut, `file` has either the complete
 * new content or the complete previous content. Writes a temporary file, syncs and renames the
 * temporary file, and syncs the directory. With `createOnly`, creates a hard link instead of
 * renaming the temporary file, because link(2) fails with EEXIST if the name exists. The directory
 * must exist. If `file` is a symbolic link, replaces the target of the link (see resolveTarget).
 * Returns the size of the content in bytes.
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
    else await replaceFile(temporary, target.path)
  } catch (error) {
    await removeFile(temporary)
    throw error
  }
  if (createOnly) await removeFile(temporary)
  await syncDirectory(path.dirname(target.path))
  return size
}

/**
 * Renames a synced file, and replaces an existing file. The new name of the file survives a power
 * cut.
 */
export async function renameDurably(from: string, to: string): Promise<void> {
  await replaceFile(from, to)
  await syncDirectory(path.dirname(to))
}

/** Gives a temporary file its final name. Fails with EEXIST if a file named `file` exists. */
async function nameOnce(temporary: string, file: string): Promise<void> {
  try {
    await link(temporary, file)
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
    // Some file systems (FAT, some FUSE) have no hard links. On a file system without hard links,
    // nameOnce() checks the name before the rename, and two simultaneous writers do not detect each
    // other.
    if (await exists(file))
      throw Object.assign(new Error(`EEXIST: ${file} exists`, { cause: error }), { code: 'EEXIST' })
    await replaceFile(temporary, file)
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
