import { readFileSync } from 'node:fs'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'

/** The library whose SQLite the primary uses. */
const LIBRARY = '/better_sqlite3.node'

/**
 * Whether a connection of this process's better-sqlite3 has `file` (a path without symbolic links) open in WAL mode, and another copy of
 * SQLite, too. Every copy maps the beginning of the -shm once, however many connections it has. False where the system does not tell
 * (all but Linux).
 *
 * Two copies in one process break each other's locks: POSIX locks belong to the process, so that neither sees those of the other, and
 * a file that one of them closes takes the locks of both with it.
 */
export function isShared(file: string): boolean {
  return copiesOf(file, readMaps()) > 1
}

/** As isShared, for the time before a database is opened first: only what is certain counts. */
export function isOpenElsewhere(file: string): boolean {
  const maps = readMaps()
  return copiesOf(file, maps) > 0 && !maps.some((line) => line.endsWith(LIBRARY))
}

/**
 * Whether this process has mapped a -shm of `file` that was removed, and none that exists: connections of the application in this
 * process keep it, and SQLite gives it to each new connection. False where the system does not tell.
 */
export function hasRemovedShm(file: string): boolean {
  const maps = readMaps()
  return copiesOf(file, maps) === 0 && copiesOf(file, maps, ' (deleted)') > 0
}

function copiesOf(file: string, maps: readonly string[], mark = ''): number {
  // The system writes a line feed in a name as an octal number.
  const name = Buffer.from(`${file.replaceAll('\n', '\\012')}-shm${mark}`).toString('latin1')
  // address perms offset dev inode path; a file that was deleted has something behind its path.
  const begins = (line: string) => {
    const [head] = /^\S+ \S+ 0+ \S+ \d+ +/.exec(line) ?? []
    return head !== undefined && line.length === head.length + name.length
  }
  return maps.filter((line) => line.endsWith(name) && begins(line)).length
}

function readMaps(): string[] {
  try {
    return readFileSync('/proc/self/maps', 'latin1').split('\n')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

export function sharedDatabase(file: string): LitestreamError {
  return new LitestreamError(
    'DATABASE_SHARED',
    `${file} is open in this process (${process.pid}) through another copy of SQLite as well, such as node:sqlite`,
    {
      file,
      hint:
        'Two copies of SQLite in one process break each other’s locks and damage the database: replicate from a process of its own ' +
        '(`litestream-ts replicate`), or use the better-sqlite3 that litestream-ts uses.',
    },
  )
}
