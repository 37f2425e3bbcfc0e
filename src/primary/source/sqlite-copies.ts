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
 * open a database and no application has a connection. After the call of `noOtherCode`, this
 * package no longer reads the memory map of the process, whose length grows with the number of
 * databases.
 */
export function noOtherCode(): void {
  alone = true
}

/**
 * Whether more than one copy of SQLite in this process has `file` (a path without symbolic links)
 * open in WAL mode. Every copy of SQLite maps the beginning of the -shm once, for all its
 * connections. Returns false if the system cannot report the memory map (every system but Linux).
 *
 * Two copies of SQLite in one process break each other's locks. POSIX locks belong to the process,
 * so neither copy sees the locks of the other copy. When one copy closes a file, both copies lose
 * their locks on that file.
 */
export function isShared(file: string): boolean {
  if (alone) return false
  return copiesOf(file, readMaps()) > 1
}

/**
 * Returns the driver for a database that the application may have open. The driver is the copy of
 * better-sqlite3 that this thread has loaded. If the thread has loaded several copies of
 * better-sqlite3, the driver is the copy that this package would load. If the database is open and
 * the thread has loaded no better-sqlite3, the driver is node:sqlite. Throws DATABASE_SHARED if the
 * database is open and the copy of SQLite that has it open cannot be determined.
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
 * Whether this process has loaded the native library of a copy of better-sqlite3. The first
 * connection of better-sqlite3 loads its native library. `module` is the path of the main file of
 * the copy of better-sqlite3.
 */
function hasLibrary(module: string, maps: readonly string[]): boolean {
  const folder = Buffer.from(` ${path.dirname(path.dirname(module))}/`).toString('latin1')
  return maps.some((line) => line.endsWith('.node') && line.includes(folder))
}

/**
 * Whether this process has mapped a removed -shm of `file`, and no existing -shm. As long as
 * connections of the application use the removed -shm, SQLite also uses the removed -shm for each
 * new connection of this process. Returns false if the system cannot report the memory map.
 */
export function hasRemovedShm(file: string): boolean {
  if (alone) return false
  const maps = readMaps()
  return copiesOf(file, maps) === 0 && copiesOf(file, maps, ' (deleted)') > 0
}

function copiesOf(file: string, maps: readonly string[], mark = ''): number {
  // Linux writes a line feed in a file name as an octal number.
  const name = Buffer.from(`${file.replaceAll('\n', '\\012')}-shm${mark}`).toString('latin1')
  // A line of the memory map consists of `address perms offset dev inode path`. Linux appends a
  // suffix to the path of a deleted file.
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
        'replicate() to the driver that opens the database, or replicate from a separate process (`litestream-ts replicate`).',
    },
  )
}
