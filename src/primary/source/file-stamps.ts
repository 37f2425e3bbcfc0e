import { statSync } from 'node:fs'

/** When the files at some paths were last changed, as far as one call of stat for each shows it. */
export type FileStamps = readonly number[]

/** Undefined if one of the files does not exist or is inaccessible. */
export function stampFiles(paths: readonly string[]): FileStamps | undefined {
  const stamps: number[] = []
  try {
    for (const path of paths) {
      const stats = statSync(path, { throwIfNoEntry: false })
      if (!stats) return undefined
      // A file that takes the place of another, and any write, rename, link or change of rights,
      // gives another ctime or inode.
      stamps.push(stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs)
    }
  } catch {
    return undefined // the full check meets the same error and reports it
  }
  return stamps
}

export function sameStamps(a: FileStamps, b: FileStamps): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
