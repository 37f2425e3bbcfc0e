import { type BigIntStats, closeSync, readSync, statSync } from 'node:fs'
import { openRegularSync } from '../../fs/open-regular-sync.js'

const SQLITE_MAGIC = 'SQLite format 3\0'

/**
 * The database files that primaries of this thread have open, by device and inode. Code other than
 * SQLite must not open these files, because closing the descriptor would drop SQLite's locks on the
 * file.
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
 * Returns whether `file` is a regular file that begins with the header of an SQLite database.
 * Throws the system's error if the file cannot be read.
 */
export function isDatabaseFile(file: string): boolean {
  const stats = statSync(file, { bigint: true })
  if (!stats.isFile()) return false
  // A primary has opened this file, so the file is a database, and this function must not open the
  // file again.
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
