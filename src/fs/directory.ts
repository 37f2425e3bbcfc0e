import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
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

async function createAll(directory: string, mode: number): Promise<string | undefined> {
  try {
    return await mkdir(directory, { recursive: true, mode })
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    // The error of Node.js for a file with this name, or for a dangling link.
    throw Object.assign(new Error(`ENOTDIR: ${directory} is not a directory`, { cause: error }), { code: 'ENOTDIR' })
  }
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
