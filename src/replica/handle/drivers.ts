import { createRequire } from 'node:module'
import { LitestreamError } from '../../errors.js'
import { type ExtensionLoader, load } from './loadable.js'

/** A connection of either driver, as far as this package uses one. */
export interface DriverConnection extends ExtensionLoader {
  prepare(sql: string): { iterate(...parameters: unknown[]): Iterable<unknown> }
  close(): unknown
}

const ABSENT: ReadonlySet<string> = new Set(['MODULE_NOT_FOUND', 'ERR_UNKNOWN_BUILTIN_MODULE', 'ERR_DLOPEN_FAILED'])

const require = createRequire(import.meta.url)

/** How to open a file with each driver this process can have. Each brings a SQLite of its own. */
const DRIVERS: readonly ((file: string, readonly: boolean) => DriverConnection)[] = [
  (file, readonly) => new (require('better-sqlite3'))(file, { readonly }),
  (file, readOnly) => new (require('node:sqlite').DatabaseSync)(file, { readOnly, allowExtension: true }),
]

/** Undefined where the driver is not installed, or compiled for another Node than this. */
function tryOpen(open: (typeof DRIVERS)[number], file: string, readonly: boolean): DriverConnection | undefined {
  try {
    return open(file, readonly)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code && ABSENT.has(code)) return undefined
    throw error
  }
}

let registered = false

/** Registers the VFS with every driver this process can have: better-sqlite3, and node:sqlite where this Node has it. */
export function registerDrivers(): void {
  if (registered) return
  for (const open of DRIVERS) {
    const connection = tryOpen(open, ':memory:', false)
    if (!connection) continue
    load(connection)
    connection.close()
  }
  registered = true
}

/** Opens a replica's URI with a driver that this process has, for reading. */
export function openConnection(uri: string): DriverConnection {
  registerDrivers()
  for (const open of DRIVERS) {
    const connection = tryOpen(open, uri, true)
    if (connection) return connection
  }
  throw new LitestreamError('CONFIG_INVALID', 'no SQLite driver is installed', {
    hint: 'Install better-sqlite3, or use a Node.js that has node:sqlite.',
  })
}
