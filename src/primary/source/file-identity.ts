import { type BigIntStats, fstatSync, statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'

/** Which file a path names, and when it was last written. Stringified integers, as they go beyond 2^53. */
export interface FileIdentity {
  readonly inode: string
  /** Nanoseconds since the epoch; an inode number is given again soon after a file is deleted, together with this it is not. */
  readonly born: string
  /** Nanoseconds since the epoch. */
  readonly modified: string
  /** Bytes. */
  readonly size: number
}

/** By stat alone, which touches no lock. Undefined where there is no file. */
export function identifyFile(path: string): FileIdentity | undefined {
  let stats: BigIntStats
  try {
    stats = statSync(path, { bigint: true })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  return identityOf(stats)
}

/** The file that a descriptor stands for. */
export function identifyDescriptor(fd: number): FileIdentity {
  return identityOf(fstatSync(fd, { bigint: true }))
}

function identityOf(stats: BigIntStats): FileIdentity {
  return {
    inode: String(stats.ino),
    born: String(stats.birthtimeNs),
    modified: String(stats.mtimeNs),
    size: Number(stats.size),
  }
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.born === b.born
}

/** Whether neither was written to since the other. */
export function isUnchangedFile(a: FileIdentity, b: FileIdentity): boolean {
  return isSameFile(a, b) && a.modified === b.modified && a.size === b.size
}
