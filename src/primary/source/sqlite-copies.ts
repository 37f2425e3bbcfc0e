import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import type { DriverName } from '../../sqlite/connection.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'

/** The files that better-sqlite3 12 and 13 are loaded from. */
const BETTER_SQLITE3 = /\/better_sqlite3\.node$|\/better-sqlite3\/.*\.node$/

/**
 * Whether more than one copy of SQLite in this process has `file` (a path without symbolic links) open in WAL mode. Every copy maps the beginning of the -shm once, however many connections it has. False where the system does not tell
 * (all but Linux).
 *
 * Two copies in one process break each other's locks: POSIX locks belong to the process, so that neither sees those of the other, and
 * a file that one of them closes takes the locks of both with it.
 */
export function isShared(file: string): boolean {
  return copiesOf(file, readMaps()) > 1
}

/**
 * Whether this process has `file` open in WAL mode through a copy of SQLite that is not better-sqlite3's, before the primary opens
 * it. False where that is not certain.
 */
export function isOpenElsewhere(file: string): boolean {
  const maps = readMaps()
  return copiesOf(file, maps) > 0 && !maps.some((line) => BETTER_SQLITE3.test(line))
}

/** The driver for a database that the application may have open. Throws DATABASE_SHARED if none is of the same copy of SQLite. */
export function driverFor(file: string): DriverName {
  if (!existsSync(file) || !isOpenElsewhere(realpathSync(file))) return findDriver().name
  if (allDrivers().some(({ name }) => name === 'node:sqlite')) return 'node:sqlite'
  throw sharedDatabase(file)
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
    `${file} is open in this process (${process.pid}) through two copies of SQLite, such as those of better-sqlite3 and node:sqlite`,
    {
      file,
      hint:
        'Two copies of SQLite in one process break each other’s locks and damage the database. Set the option `driver` of ' +
        'replicate() to the driver that opens the database, or replicate from a process of its own (`litestream-ts replicate`).',
    },
  )
}
