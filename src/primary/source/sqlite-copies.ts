import { existsSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { LitestreamError } from '../../errors.js'
import { isErrno } from '../../fs/fs-error.js'
import type { DriverChoice } from '../../sqlite/connection.js'
import { choiceOf, loadedBetterSqlite3, ownBetterSqlite3 } from '../../sqlite/driver-class.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'

let alone = false

/**
 * Declares that the process runs no application code, so that no other copy of SQLite opens a
 * database. After this call, the package no longer reads the memory map of the process. The length
 * of the memory map grows with the number of databases.
 */
export function noOtherCode(): void {
  alone = true
}

/**
 * Whether more than one copy of SQLite in this process has the database at `file` open in WAL mode.
 * The path must not contain symbolic links. Each copy of SQLite maps the beginning of the -shm
 * exactly once. Always returns false on systems other than Linux, because these systems do not
 * report the memory map.
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
 * Returns the driver for a database that the application may have open. If this thread has loaded
 * one copy of better-sqlite3, returns that copy. If this thread has loaded several copies, returns
 * the copy that this package would load. If this thread has loaded none and the database is open,
 * returns node:sqlite. Throws DATABASE_SHARED if the database is open in a copy of SQLite that
 * cannot be determined.
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
 * Whether this process has loaded the native library of the copy of better-sqlite3 whose main file
 * is `module`. better-sqlite3 loads its native library for its first connection.
 */
function hasLibrary(module: string, maps: readonly string[]): boolean {
  const folder = Buffer.from(` ${path.dirname(path.dirname(module))}/`).toString('latin1')
  return maps.some((line) => line.endsWith('.node') && line.includes(folder))
}

/**
 * Whether this process has mapped a removed -shm of `file` and has not mapped an existing -shm. As
 * long as the application's connections use the removed -shm, SQLite also uses the removed -shm for
 * each new connection of this process. Always returns false on systems other than Linux.
 */
export function hasRemovedShm(file: string): boolean {
  if (alone) return false
  const maps = readMaps()
  return copiesOf(file, maps) === 0 && copiesOf(file, maps, ' (deleted)') > 0
}

function copiesOf(file: string, maps: readonly string[], mark = ''): number {
  // In the memory map, Linux writes a line feed of a file name as an octal number.
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
