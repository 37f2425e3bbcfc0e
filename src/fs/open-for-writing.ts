import { closeSync, constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { openRegular } from './open-regular.js'
import { openRegularSync } from './open-regular-sync.js'
import { applyOwnership, applyOwnershipSync, giveToOwnerOf, type Ownership } from './owner.js'

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = constants

/**
 * Opens an existing file for reading and writing. The file must not be a link: resolve it first,
 * see resolveTarget.
 */
export async function openForUpdate(file: string): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_NOFOLLOW)).handle
}

/** Creates a file, or fails with EEXIST. `mode` is reduced by the umask. */
export async function createFile(file: string, mode = 0o600): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode)).handle
}

/**
 * Opens a file of this program, and creates it if it does not exist. The file gets the owner and
 * mode of `ownership`; without it, a new file is accessible only to the owner of its folder.
 */
export async function openOwn(file: string, ownership?: Ownership): Promise<FileHandle> {
  const { handle, isNew } = await openOrCreate(file)
  try {
    if (ownership !== undefined) await applyOwnership(handle, ownership, 'file')
    else if (isNew) await giveToOwnerOf(path.dirname(file), handle)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openOrCreate(file: string): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> {
  try {
    return { handle: await createFile(file), isNew: true }
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    return { handle: await openForUpdate(file), isNew: false }
  }
}

/** `openOwn` for code that cannot wait. Returns the descriptor. */
export function openOwnSync(file: string, ownership: Ownership | undefined): number {
  const fd = openRegularSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  try {
    if (ownership !== undefined) applyOwnershipSync(fd, ownership, 'file')
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
