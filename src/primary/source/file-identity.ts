import { type BigIntStats, fstatSync, statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'

/**
 * The identity of a file, its size and its modification time. `inode`, `born` and `modified` are
 * strings, because the integers may exceed 2^53.
 */
export interface FileIdentity {
  readonly inode: string
  /**
   * Birth time of the file in nanoseconds since the epoch. A new file may get the inode number of a
   * deleted file, but its birth time is then different.
   */
  readonly born: string
  /** Modification time of the file in nanoseconds since the epoch. */
  readonly modified: string
  /** Size of the file in bytes. */
  readonly size: number
}

/**
 * Returns the identity of the file at `path`, or undefined if the file does not exist.
 * `identifyFile` calls only stat, which affects no lock on the file.
 */
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

/** Returns the identity of an open file. */
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

/**
 * Time in milliseconds to wait after the latest modification, so that each later write changes the
 * modification time. File systems store the time of the last clock tick (at most 10 ms before the
 * write), and some file systems store only whole seconds.
 */
export function settlingMs({ modified }: FileIdentity): number {
  return modified.endsWith('000000') ? 2100 : 20
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.born === b.born
}

/**
 * Whether `a` and `b` identify the same file, and no program wrote to the file between the two
 * calls of stat.
 */
export function isUnchangedFile(a: FileIdentity, b: FileIdentity): boolean {
  return isSameFile(a, b) && a.modified === b.modified && a.size === b.size
}
