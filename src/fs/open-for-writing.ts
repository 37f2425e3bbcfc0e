import { closeSync, constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'
import { openRegular } from './open-regular.js'
import { openRegularSync } from './open-regular-sync.js'
import { applyOwnership, applyOwnershipSync, giveToOwnerOf, type Ownership } from './owner.js'

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = constants

/**
 * Opens an existing file for reading and writing. Fails if `file` is a symbolic link. The caller
 * must therefore pass a path that resolveTarget has resolved.
 */
export async function openForUpdate(file: string): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_NOFOLLOW)).handle
}

/**
 * Creates a file. Fails with EEXIST if the file exists. The umask of the process reduces `mode`.
 */
export async function createFile(file: string, mode = 0o600): Promise<FileHandle> {
  return (await openRegular(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode)).handle
}

/**
 * Opens or creates a file that belongs to this program. The file gets the owner and mode of
 * `ownership`. If `ownership` is undefined, only the owner of the folder can access a newly created
 * file.
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

/**
 * Does the same as `openOwn`, with synchronous calls. Returns the file descriptor of the open file.
 */
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
