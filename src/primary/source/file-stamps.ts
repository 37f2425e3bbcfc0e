import { statSync } from 'node:fs'

/**
 * The device, inode, size and times of several files, from one call of stat per file. If two stamps
 * are equal, stat has detected no change of the files.
 */
export type FileStamps = readonly number[]

/**
 * Returns the stamps of the files at `paths`, or undefined if one of the files does not exist or is
 * inaccessible.
 */
export function stampFiles(paths: readonly string[]): FileStamps | undefined {
  const stamps: number[] = []
  try {
    for (const path of paths) {
      const stats = statSync(path, { throwIfNoEntry: false })
      if (!stats) return undefined
      // Each write, rename, link and change of permissions changes the ctime of a file. A file that
      // replaces another file has a different inode.
      stamps.push(stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs)
    }
  } catch {
    return undefined // the full check fails with the same error and reports it
  }
  return stamps
}

export function sameStamps(a: FileStamps, b: FileStamps): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
