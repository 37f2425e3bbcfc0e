import { link, stat } from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from './directory.js'
import { isErrno } from './fs-error.js'
import type { Ownership } from './owner.js'

/** File systems, or places in one, between which there are no links, or none any more. */
const NO_LINK = ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'ENOENT'] as const

/**
 * Gives `existing` the second name `file`, which must be free: EEXIST otherwise. Only if a copy would look the same: with the time
 * `mtime` (milliseconds since the epoch), and the owner and mode of `ownership` or, without that, of what is made in the directory
 * anyway. Returns the size; false where it has to be copied.
 */
export async function linkDurably(
  existing: string,
  file: string,
  mtime: number,
  ownership: Ownership | undefined,
): Promise<number | false> {
  const directory = path.dirname(file)
  try {
    const [there, around] = await Promise.all([stat(existing), stat(directory)])
    const { uid, gid } = ownership ?? around
    const mode = ownership?.fileMode ?? around.mode & 0o666
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
