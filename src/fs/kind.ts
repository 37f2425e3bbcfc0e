import type { BigIntStats, Stats } from 'node:fs'

/** Describes the type of a file in messages, for example "a directory". */
export function kindOf(stats: Stats | BigIntStats): string {
  if (stats.isFile()) return 'a regular file'
  if (stats.isDirectory()) return 'a directory'
  if (stats.isSymbolicLink()) return 'a symbolic link'
  if (stats.isFIFO()) return 'a FIFO'
  if (stats.isSocket()) return 'a socket'
  return stats.isBlockDevice() ? 'a block device' : 'a character device'
}
