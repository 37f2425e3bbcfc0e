import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { openRegular } from './open-regular.js'
import { applyOwnership, giveToOwnerOf, type Ownership } from './owner.js'

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = constants

/** Opens an existing file to read and write it. The file must not be a link: resolve it first, see resolveTarget. */
export async function openForUpdate(file: string): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_NOFOLLOW)).handle
}

/** Creates a file, or fails with EEXIST. `mode` is reduced by the umask. */
export async function createFile(file: string, mode = 0o600): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode)).handle
}

/**
 * Opens a file that belongs to this program by its name, and creates it if it does not exist: with the owner and mode of `ownership`,
 * or else for the owner of the folder alone.
 */
export async function openOwn(file: string, ownership?: Ownership): Promise<FileHandle> {
  try {
    const handle = await createFile(file)
    if (ownership !== undefined) await applyOwnership(handle, ownership, 'file')
    else await giveToOwnerOf(path.dirname(file), handle)
    return handle
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    return openForUpdate(file)
  }
}
