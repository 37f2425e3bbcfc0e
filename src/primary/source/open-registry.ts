import { type BigIntStats, closeSync, openSync, readSync, statSync } from 'node:fs'

const SQLITE_MAGIC = 'SQLite format 3\0'

/**
 * The database files that connections of this thread's primaries have open, by device and inode. Closing any descriptor of such a
 * file would drop SQLite's locks on it, so nobody here may open one by hand.
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

/** Whether the file begins as an SQLite database does. A file that cannot be read is none that could be replicated. */
export function hasSqliteMagic(file: string): boolean {
  try {
    // What we replicate is one, and must not be opened.
    if (open.has(keyOf(statSync(file, { bigint: true })))) return true
    const head = Buffer.alloc(SQLITE_MAGIC.length)
    const fd = openSync(file, 'r')
    try {
      return readSync(fd, head, 0, head.length, 0) === head.length && head.toString('latin1') === SQLITE_MAGIC
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}

function keyOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`
}
