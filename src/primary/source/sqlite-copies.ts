import { existsSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import type { DriverChoice } from '../../sqlite/connection.js'
import { choiceOf, loadedBetterSqlite3, ownBetterSqlite3 } from '../../sqlite/driver-class.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'

let alone = false

/**
 * Declares that only code of this package runs in the process, so that no other copy of SQLite can
 * open a database, and no connection of an application exists. The memory map, whose length grows
 * with the number of databases, is then not read.
 */
export function noOtherCode(): void {
  alone = true
}

/**
 * Whether more than one copy of SQLite in this process has `file` (a path without symbolic links)
 * open in WAL mode. Every copy maps the beginning of the -shm once, however many connections it
 * has. False if the system cannot report it (all but Linux).
 *
 * Two copies in one process break each other's locks: POSIX locks belong to the process, so neither
 * copy sees the locks of the other, and when one copy closes a file, both lose their locks on it.
 */
export function isShared(file: string): boolean {
  if (alone) return false
  return copiesOf(file, readMaps()) > 1
}

/**
 * The driver for a database that the application may have open: the copy of better-sqlite3 that
 * this thread has loaded, if there is one; where there are several, the one that this package would
 * load; node:sqlite if the database is open and no better-sqlite3 was loaded. Throws
 * DATABASE_SHARED if it is open and no copy can be named.
 */
export function driverFor(file: string): DriverChoice {
  const maps = readMaps()
  const isOpen = existsSync(file) && copiesOf(realpathSync(file), maps) > 0
  const loaded = loadedBetterSqlite3().filter((module) => !isOpen || hasLibrary(module, maps))
  const own = ownBetterSqlite3()
  const [only] = loaded.length === 1 || own === undefined || !loaded.includes(own) ? loaded : [own]
  if (only !== undefined) return choiceOf(only)
  if (!isOpen) return findDriver().name
  if (allDrivers().some(({ name }) => name === 'node:sqlite')) return 'node:sqlite'
  throw sharedDatabase(file)
}

/**
 * Whether this process has loaded the library of a copy of better-sqlite3, which the first
 * connection does. `module`: its main file.
 */
function hasLibrary(module: string, maps: readonly string[]): boolean {
  const folder = Buffer.from(` ${path.dirname(path.dirname(module))}/`).toString('latin1')
  return maps.some((line) => line.endsWith('.node') && line.includes(folder))
}

/**
 * Whether this process has mapped a removed -shm of `file`, and no existing one: connections of the
 * application in this process keep it, and SQLite uses it for each new connection. False if the
 * system cannot report it.
 */
export function hasRemovedShm(file: string): boolean {
  if (alone) return false
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
