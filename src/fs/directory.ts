import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { syncHandle } from './handle.js'
import { applyOwnership, giveToOwnerOf, type Ownership } from './owner.js'

/** Makes the entries of a directory, such as a new or renamed file, survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await syncHandle(handle)
  } catch (error) {
    // Some network file systems cannot sync a directory; they write entries immediately.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EBADF')) throw error
  } finally {
    await handle.close()
  }
}

/**
 * mkdir -p whose new directories survive a power cut. New directories get the owner of `ownership`;
 * without it, directories that root creates belong to the owner of their parent. `mode` is reduced
 * by the umask.
 */
export async function makeDirectory(directory: string, ownership?: Ownership, mode = 0o777): Promise<void> {
  const absolute = path.resolve(directory)
  const first = await createAll(absolute, ownership?.directoryMode ?? mode)
  if (first === undefined) return
  const around = path.dirname(first)
  for (let made = absolute; ; made = path.dirname(made)) {
    await withDirectory(made, async (handle) => {
      if (ownership !== undefined) await applyOwnership(handle, ownership, 'directory')
      else await giveToOwnerOf(around, handle)
    })
    await syncDirectory(path.dirname(made))
    if (made === first) return
  }
}

/**
 * Makes a directory and its missing parents; returns the first one made. The option `recursive` of
 * Node.js never returns if a file system refuses a directory in an existing one with ENOENT, as
 * autofs and /proc do.
 */
async function createAll(directory: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(directory, { mode })
    return directory
  } catch (error) {
    const parent = path.dirname(directory)
    if (!isErrno(error, 'ENOENT') || parent === directory) return existing(directory, error)
    const first = await createAll(parent, mode)
    try {
      await mkdir(directory, { mode })
    } catch (again) {
      // Another process may have made it meanwhile.
      await existing(directory, again)
      return first
    }
    return first ?? directory
  }
}

/** Throws `error`, why the directory could not be made, unless it exists. */
async function existing(directory: string, error: unknown): Promise<undefined> {
  const stats = await stat(directory).catch(() => undefined)
  if (stats?.isDirectory()) return
  if (!isErrno(error, 'EEXIST')) throw error
  // A file has this name, or a dangling link.
  throw Object.assign(new Error(`ENOTDIR: ${directory} is not a directory`, { cause: error }), { code: 'ENOTDIR' })
}

/**
 * Uses a descriptor: with a path, another user could replace the directory and make root change the
 * owner of another file.
 */
async function withDirectory(directory: string, act: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await act(handle)
  } finally {
    await handle.close()
  }
}
