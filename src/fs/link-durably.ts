import { link, stat } from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from './directory.js'
import { isErrno } from './fs-error.js'
import type { Ownership } from './owner.js'

/**
 * Errors that mean that `existing` and `file` cannot be hard-linked, or that `existing` was
 * removed.
 */
const NO_LINK = ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'ENOENT'] as const

/** Returns the owner and the mode that a new file in the directory gets. */
async function madeIn(directory: string): Promise<{ uid: number; gid: number; mode: number }> {
  const { uid, gid, mode } = await stat(directory)
  return { uid, gid, mode: mode & 0o666 }
}

/**
 * Creates the hard link `file` to `existing`, if `existing` has the modification time, owner and
 * mode that a copy must have. A copy must have the modification time `mtime` (milliseconds since
 * the epoch) and the owner and mode in `ownership`. If `ownership` is undefined, a copy must have
 * the owner and mode of a new file in the directory. Returns the size of the file in bytes, or
 * false if the caller must copy the file. Fails with EEXIST if a file named `file` exists.
 */
export async function linkDurably(
  existing: string,
  file: string,
  mtime: number,
  ownership: Ownership | undefined,
): Promise<number | false> {
  const directory = path.dirname(file)
  try {
    const there = await stat(existing)
    const { uid, gid, mode } = ownership ? { ...ownership, mode: ownership.fileMode } : await madeIn(directory)
    const alike = there.uid === uid && there.gid === gid && (there.mode & 0o777) === mode
    if (!alike || Math.round(there.mtimeMs) !== mtime) return false
    await link(existing, file)
    await syncDirectory(directory)
    return there.size
  } catch (error) {
    if (isErrno(error, ...NO_LINK)) return false
    throw error
  }
}
