import { type BigIntStats, fstatSync, statSync } from 'node:fs'
import { isErrno } from '../../fs/fs-error.js'

/**
 * The identity of the file at a path, and its last modification. Integers as strings, because they
 * may exceed 2^53.
 */
export interface FileIdentity {
  readonly inode: string
  /**
   * Birth time in nanoseconds since the epoch. An inode number may be reused soon after a file is
   * deleted, but not together with this time.
   */
  readonly born: string
  /** Modification time in nanoseconds since the epoch. */
  readonly modified: string
  /** Bytes. */
  readonly size: number
}

/** Uses only stat, which affects no lock. Undefined if the file does not exist. */
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

/** The identity of an open file. */
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
 * How long after a file was identified a write certainly gives it another modification time, in
 * milliseconds: file systems label writes with the time of the last clock tick (10 ms at most), and
 * some with whole seconds.
 */
export function settlingMs({ modified }: FileIdentity): number {
  return modified.endsWith('000000') ? 2100 : 20
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.born === b.born
}

/** Whether the two identities show the same file without a write in between. */
export function isUnchangedFile(a: FileIdentity, b: FileIdentity): boolean {
  return isSameFile(a, b) && a.modified === b.modified && a.size === b.size
}
