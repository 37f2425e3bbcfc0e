import { fchmodSync, fchownSync, fstatSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'

/** Owner and permission bits of a new file or folder, copied from an existing file. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly fileMode: number
  readonly directoryMode: number
}

const PERMISSIONS = 0o777
const ALL_BITS = 0o7777
/**
 * The owner of a new file or folder always gets these permissions, even if the mode of the existing
 * file temporarily denies access.
 */
const OWNER_FILE = 0o600
const OWNER_FOLDER = 0o700
const SET_GROUP_ID = 0o2000

/**
 * Returns the ownership for new files and folders that belong to `file`. New files get the owner
 * and mode of `file`. New folders get the owner of `file`. The mode of a new folder is calculated
 * from the modes of `file` and its folder. Returns undefined if `file` does not exist.
 */
export async function ownershipLike(file: string): Promise<Ownership | undefined> {
  try {
    const [own, around] = await Promise.all([stat(file), stat(path.dirname(path.resolve(file)))])
    return ownershipFrom(own, around)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Does the same as `ownershipLike`, with synchronous calls. */
export function ownershipLikeSync(file: string): Ownership | undefined {
  try {
    return ownershipFrom(statSync(file), statSync(path.dirname(path.resolve(file))))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

function ownershipFrom({ uid, gid, mode }: Stats, around: Stats): Ownership {
  const fileMode = (mode & PERMISSIONS) | OWNER_FILE
  return { uid, gid, fileMode, directoryMode: folderMode(around.mode, fileMode) }
}

/** Returns the ownership for a new file that replaces the file that `stats` describes. */
export function ownershipOf({ uid, gid, mode }: Stats): Ownership {
  return { uid, gid, fileMode: mode & PERMISSIONS, directoryMode: 0o700 }
}

/**
 * Returns the permission bits of a new file whose content comes from the files `sources`. With the
 * returned permission bits, only users who can read all sources can read the new file. A source
 * without a mode, such as an S3 object, does not restrict the permissions.
 */
export function newFileMode(sources: Iterable<{ readonly mode?: number | undefined }>): number {
  let allowed = 0o666
  for (const { mode = 0o666 } of sources) {
    for (const shift of [3, 0]) if ((mode & (4 << shift)) === 0) allowed &= ~(7 << shift)
  }
  return allowed
}

/**
 * Returns the mode of a new folder for files with mode `file`. The mode is `directory` without the
 * permissions of users who cannot read the files, and without write permission for users who cannot
 * write to the files. For example, if a database is in /tmp, not every user can write to its state
 * folder.
 */
function folderMode(directory: number, file: number): number {
  let allowed = 0o700 | SET_GROUP_ID
  for (const shift of [3, 0]) {
    const access = (file >> shift) & 7
    if ((access & 4) !== 0) allowed |= ((access & 2) !== 0 ? 7 : 5) << shift
  }
  return (directory & allowed) | OWNER_FOLDER
}

/**
 * Sets the owner and mode of an open file or folder. A process that is not root cannot change the
 * owner. If the process cannot set the group, the current group gets only the permissions that all
 * users have.
 */
export async function applyOwnership(
  handle: FileHandle,
  ownership: Ownership,
  kind: 'file' | 'directory',
): Promise<void> {
  const { uid, gid } = ownership
  const before = await handle.stat()
  let hasGroup = before.gid === gid
  if (before.uid !== uid || before.gid !== gid) {
    const given = await permitted(handle.chown(uid, gid))
    hasGroup = given || hasGroup || (await permitted(handle.chown(before.uid, gid)))
  }
  const mode = modeFor(ownership, kind, hasGroup)
  if ((before.mode & ALL_BITS) !== mode || before.gid !== gid) await permitted(handle.chmod(mode))
}

/** Does the same as `applyOwnership` for a file descriptor, with synchronous calls. */
export function applyOwnershipSync(fd: number, ownership: Ownership, kind: 'file' | 'directory'): void {
  const { uid, gid } = ownership
  const before = fstatSync(fd)
  let hasGroup = before.gid === gid
  if (before.uid !== uid || before.gid !== gid) {
    const given = permittedSync(() => fchownSync(fd, uid, gid))
    hasGroup = given || hasGroup || permittedSync(() => fchownSync(fd, before.uid, gid))
  }
  const mode = modeFor(ownership, kind, hasGroup)
  if ((before.mode & ALL_BITS) !== mode || before.gid !== gid) permittedSync(() => fchmodSync(fd, mode))
}

function modeFor({ fileMode, directoryMode }: Ownership, kind: 'file' | 'directory', hasGroup: boolean): number {
  const mode = kind === 'file' ? fileMode : directoryMode
  // If the group could not be set, the current group gets only the permissions that all users have.
  return hasGroup ? mode : mode & ~((~mode & 7) << 3)
}

/**
 * If the process is root, changes the owner of a new file to the owner of its folder. Does nothing
 * if the process is not root.
 */
export async function giveToOwnerOf(directory: string, handle: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(directory)
  if (uid !== 0) await permitted(handle.chown(uid, gid))
}

/**
 * Errors that mean that the process may not change an owner or a mode, or that the file system
 * (such as FAT) stores no owners and modes.
 */
const NOT_PERMITTED = ['EPERM', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'] as const

async function permitted(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (isErrno(error, ...NOT_PERMITTED)) return false
    throw error
  }
}

function permittedSync(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (isErrno(error, ...NOT_PERMITTED)) return false
    throw error
  }
}
