import { type BigIntStats, closeSync, readSync, statSync } from 'node:fs'
import { openRegularSync } from '../../fs/open-regular-sync.js'

const SQLITE_MAGIC = 'SQLite format 3\0'

/**
 * The database files that primaries of this thread have open, by device and inode. Closing any
 * other descriptor of such a file would drop SQLite's locks on it, so no code on this thread may
 * open one directly.
 */
const open = new Map<string, number>()

export function noteOpen(path: string): () => void {
  const key = keyOf(statSync(path, { bigint: true }))
  open.set(key, (open.get(key) ?? 0) + 1)
  let released = false
  return () => {
    if (released) return
    released = true
    const left = open.get(key)! - 1
    if (left === 0) open.delete(key)
    else open.set(key, left)
  }
}

/**
 * Whether the file begins like an SQLite database; false for anything but a regular file. Throws
 * the system's error if the file cannot be read.
 */
export function isDatabaseFile(file: string): boolean {
  const stats = statSync(file, { bigint: true })
  if (!stats.isFile()) return false
  // A replicated database is one, and must not be opened here.
  if (open.has(keyOf(stats))) return true
  const head = Buffer.alloc(SQLITE_MAGIC.length)
  const fd = openRegularSync(file)
  try {
    return readSync(fd, head, 0, head.length, 0) === head.length && head.toString('latin1') === SQLITE_MAGIC
  } finally {
    closeSync(fd)
  }
}

function keyOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}
