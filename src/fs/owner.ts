import { fchmodSync, fchownSync, fstatSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'

/** Owner and permission bits for a new file or folder, copied from an existing file. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly fileMode: number
  readonly directoryMode: number
}

const PERMISSIONS = 0o777
const ALL_BITS = 0o7777
/** Minimum modes: a temporary mode of the source must not lock out the owner of the new file. */
const OWNER_FILE = 0o600
const OWNER_FOLDER = 0o700
const SET_GROUP_ID = 0o2000

/**
 * The ownership for new files: owner and mode of `file`; new folders get those of its folder.
 * Undefined if `file` does not exist.
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

/** `ownershipLike` for code that cannot wait. */
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

/** Like `ownershipLike`, for a file whose folder does not matter. */
export function ownershipOf({ uid, gid, mode }: Stats): Ownership {
  return { uid, gid, fileMode: mode & PERMISSIONS, directoryMode: 0o700 }
}

/**
 * The permission bits for a file made from `sources`, so that no user can read it who could not
 * read all of them. Sources without a mode, such as S3 objects, set no limit.
 */
export function newFileMode(sources: Iterable<{ readonly mode?: number | undefined }>): number {
  let allowed = 0o666
  for (const { mode = 0o666 } of sources) {
    for (const shift of [3, 0]) if ((mode & (4 << shift)) === 0) allowed &= ~(7 << shift)
  }
  return allowed
}

/**
 * The mode of a folder for files of mode `file`: that of `directory`, without access for users who
 * cannot read such a file and without write access for users who cannot write one. So a database in
 * /tmp does not get a folder that every user can write to.
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
 * Sets owner and mode of an open file or folder. Only root can change the owner: otherwise the
 * process keeps the file, and the group of the process gets no more access than every user has.
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

/** `applyOwnership` for a descriptor, in code that cannot wait. */
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
  // With another group, keeps only the bits that group and others have in common.
  return hasGroup ? mode : mode & ~((~mode & 7) << 3)
}

/**
 * Gives a file that root creates in another user's folder to that user, as if the user had created
 * it.
 */
export async function giveToOwnerOf(directory: string, handle: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(directory)
  if (uid !== 0) await permitted(handle.chown(uid, gid))
}

/**
 * Errors that mean that the process lacks the right, or that the file system, such as FAT, has no
 * owners and modes.
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
