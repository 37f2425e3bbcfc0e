import type { Stats } from 'node:fs'
import { type FileHandle, stat } from 'node:fs/promises'
import path from 'node:path'
import { isErrno } from './fs-error.js'

/** Owner and permission bits that a new file or folder takes over from an existing file. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly fileMode: number
  readonly directoryMode: number
}

const PERMISSIONS = 0o777
const SET_GROUP_ID = 0o2000

/** Files get the owner and mode of `file`, folders those of the folder it lies in. Undefined if there is no such file. */
export async function ownershipLike(file: string): Promise<Ownership | undefined> {
  try {
    const [own, around] = await Promise.all([stat(file), stat(path.dirname(path.resolve(file)))])
    const fileMode = own.mode & PERMISSIONS
    return { uid: own.uid, gid: own.gid, fileMode, directoryMode: folderMode(around.mode, fileMode) }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** As `ownershipLike`, of a file whose folder does not matter. */
export function ownershipOf({ uid, gid, mode }: Stats): Ownership {
  return { uid, gid, fileMode: mode & PERMISSIONS, directoryMode: 0o700 }
}

/**
 * The permission bits that a file made from others may have, so that no user can read it who could not read all of those. Sources
 * without a mode, such as objects of S3, set no limit.
 */
export function newFileMode(sources: Iterable<{ readonly mode?: number | undefined }>): number {
  let allowed = 0o666
  for (const { mode = 0o666 } of sources) {
    for (const shift of [3, 0]) if ((mode & (4 << shift)) === 0) allowed &= ~(7 << shift)
  }
  return allowed
}

/**
 * The mode of a folder for files of mode `file`: that of `directory`, without access for users who cannot read such a file and
 * without write access for users who cannot write one. A database in /tmp does not get a folder that every user can write to.
 */
function folderMode(directory: number, file: number): number {
  let allowed = 0o700 | SET_GROUP_ID
  for (const shift of [3, 0]) {
    const access = (file >> shift) & 7
    if ((access & 4) !== 0) allowed |= ((access & 2) !== 0 ? 7 : 5) << shift
  }
  return directory & allowed
}

/** Bits that group and others have in common: for a file whose group could not be kept. */
function withoutGroup(mode: number): number {
  return mode & ~((~mode & 7) << 3)
}

/**
 * Sets owner and mode of an open file or folder. Only root can give files away: without that right the process keeps the file, and
 * the group that the process has gets no more access than every user has.
 */
export async function applyOwnership(
  handle: FileHandle,
  ownership: Ownership,
  kind: 'file' | 'directory',
): Promise<void> {
  const { uid, gid } = ownership
  const before = await handle.stat()
  let kept = before.gid === gid
  if (before.uid !== uid || before.gid !== gid) {
    kept = (await tryChown(handle, uid, gid)) || kept || (await tryChown(handle, before.uid, gid))
  }
  const wanted = kind === 'file' ? ownership.fileMode : ownership.directoryMode
  await tryChmod(handle, kept ? wanted : withoutGroup(wanted))
}

/** A file that root creates in the folder of another user belongs to that user, as a file that the user creates does. */
export async function giveToOwnerOf(directory: string, handle: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(directory)
  if (uid !== 0) await tryChown(handle, uid, gid)
}

async function tryChown(handle: FileHandle, uid: number, gid: number): Promise<boolean> {
  try {
    await handle.chown(uid, gid)
    return true
  } catch (error) {
    if (isErrno(error, 'EPERM', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) return false
    throw error
  }
}

/** File systems without modes, such as FAT, refuse it. */
async function tryChmod(handle: FileHandle, mode: number): Promise<void> {
  try {
    await handle.chmod(mode)
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) throw error
  }
}
