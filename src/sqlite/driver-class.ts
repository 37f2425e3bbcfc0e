import { realpathSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'
import type { DriverChoice } from './connection.js'

/** The part of a driver's connection that loads extensions. */
export interface ExtensionLoader {
  /** Loads a loadable SQLite extension into the connection. */
  loadExtension(path: string): unknown
}

/**
 * The class of a driver's connections, such as `Database` of better-sqlite3 or libsql, or
 * `DatabaseSync` of node:sqlite.
 */
export type DriverClass = new (file: string, options: object) => ExtensionLoader & { close(): unknown }

const BETTER_SQLITE3_MAIN = /[\\/]better-sqlite3[\\/]lib[\\/]index\.js$/

/** Whether `value` can be a DriverClass. */
export function isDriverClass(value: unknown): value is DriverClass {
  return (
    typeof value === 'function' && typeof (value.prototype as Partial<ExtensionLoader>)?.loadExtension === 'function'
  )
}

/**
 * Main files of the copies of better-sqlite3 that this package has loaded before the application
 * loaded them.
 */
const loadedHere = new Set<string>()

/**
 * Loads a copy of better-sqlite3 for this package. `module` is the name of the package, or the path
 * of the main file of the copy.
 */
export function requireBetterSqlite3(module: string): unknown {
  const main = realpathSync(localRequire.resolve(module))
  if (!copiesInCache().includes(main)) loadedHere.add(main)
  return localRequire(module)
}

/**
 * Returns the copies of better-sqlite3 that the program has loaded on this thread. The path of its
 * main file, without symbolic links, identifies a copy.
 */
export function loadedBetterSqlite3(): string[] {
  return copiesInCache().filter((main) => !loadedHere.has(main))
}

function copiesInCache(): string[] {
  const files = Object.keys(localRequire.cache).filter((file) => BETTER_SQLITE3_MAIN.test(file))
  return [...new Set(files.map((file) => realpathSync(file)))]
}

/**
 * Returns the main file of the copy of better-sqlite3 that this package would load. Returns
 * undefined if better-sqlite3 is not installed.
 */
export function ownBetterSqlite3(): string | undefined {
  try {
    return realpathSync(localRequire.resolve('better-sqlite3'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/**
 * Returns the DriverChoice for a copy of better-sqlite3. `choiceOf` returns the driver's name if
 * the copy is the one that this package would load.
 */
export function choiceOf(module: string): DriverChoice {
  return module === ownBetterSqlite3() ? 'better-sqlite3' : { module }
}

/**
 * Returns the driver to which a class belongs, so that another thread can load the same copy of
 * SQLite. Throws INVALID_ARGUMENT for a class that belongs to neither better-sqlite3 nor
 * node:sqlite.
 */
export function driverOfClass(driver: DriverClass): DriverChoice {
  if (isBuiltin('node:sqlite') && driver.name === 'DatabaseSync') return 'node:sqlite'
  for (const [file, module] of Object.entries(localRequire.cache)) {
    const exported: unknown = module?.exports
    if (exported === driver && BETTER_SQLITE3_MAIN.test(file)) return choiceOf(realpathSync(file))
  }
  throw new LitestreamError('INVALID_ARGUMENT', 'driver is the class of neither better-sqlite3 nor node:sqlite', {
    hint: 'Pass the class Database of better-sqlite3 or the class DatabaseSync of node:sqlite. For another driver, replicate from a separate process: `litestream-ts replicate`.',
  })
}
