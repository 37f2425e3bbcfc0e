import { link, stat } from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from './directory.js'
import { isErrno } from './fs-error.js'
import type { Ownership } from './owner.js'

/** Errors that mean that these two paths cannot be linked, or not any more. */
const NO_LINK = ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'ENOENT'] as const

/** Owner and mode of what is made in a directory. */
async function madeIn(directory: string): Promise<{ uid: number; gid: number; mode: number }> {
  const { uid, gid, mode } = await stat(directory)
  return { uid, gid, mode: mode & 0o666 }
}

/**
 * Gives `existing` the second name `file`, or fails with EEXIST if that name exists. Only if a copy
 * would be identical: with the modification time `mtime` (milliseconds since the epoch), and the
 * owner and mode of `ownership` or, without it, those of a new file in the directory. Returns the
 * size, or false if the file must be copied instead.
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
