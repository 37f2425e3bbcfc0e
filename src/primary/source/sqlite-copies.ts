import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import type { DriverName } from '../../sqlite/connection.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'

/** Paths from which better-sqlite3 12 and 13 are loaded. */
const BETTER_SQLITE3 = /\/better_sqlite3\.node$|\/better-sqlite3\/.*\.node$/

/**
 * Whether more than one copy of SQLite in this process has `file` (a path without symbolic links)
 * open in WAL mode. Every copy maps the beginning of the -shm once, however many connections it
 * has. False if the system cannot report it (all but Linux).
 *
 * Two copies in one process break each other's locks: POSIX locks belong to the process, so neither
 * copy sees the locks of the other, and when one copy closes a file, both lose their locks on it.
 */
export function isShared(file: string): boolean {
  return copiesOf(file, readMaps()) > 1
}

/**
 * Whether this process has `file` open in WAL mode through a copy of SQLite other than
 * better-sqlite3's, before the primary opens it. False if that is uncertain.
 */
export function isOpenElsewhere(file: string): boolean {
  const maps = readMaps()
  return copiesOf(file, maps) > 0 && !maps.some((line) => BETTER_SQLITE3.test(line))
}

/**
 * The driver for a database that the application may have open. Throws DATABASE_SHARED if no driver
 * uses the same copy of SQLite.
 */
export function driverFor(file: string): DriverName {
  if (!existsSync(file) || !isOpenElsewhere(realpathSync(file))) return findDriver().name
  if (allDrivers().some(({ name }) => name === 'node:sqlite')) return 'node:sqlite'
  throw sharedDatabase(file)
}

/**
 * Whether this process has mapped a removed -shm of `file`, and no existing one: connections of the
 * application in this process keep it, and SQLite uses it for each new connection. False if the
 * system cannot report it.
 */
export function hasRemovedShm(file: string): boolean {
  const maps = readMaps()
  return copiesOf(file, maps) === 0 && copiesOf(file, maps, ' (deleted)') > 0
}

function copiesOf(file: string, maps: readonly string[], mark = ''): number {
  // The system writes a line feed in a name as an octal number.
  const name = Buffer.from(`${file.replaceAll('\n', '\\012')}-shm${mark}`).toString('latin1')
  // address perms offset dev inode path; the path of a deleted file has a suffix.
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
