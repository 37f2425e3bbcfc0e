import { LitestreamError } from '../../errors.js'
import { addonPath } from '../../native/addon.js'
import type { Connection } from '../../sqlite/connection.js'
import {
  type DriverClass,
  type ExtensionLoader,
  isDriverClass,
  loadedBetterSqlite3,
} from '../../sqlite/driver-class.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'
import { load } from './loadable.js'

/** The class of a driver's connections, or an open connection. */
export type ReplicaDriver = DriverClass | ExtensionLoader

/**
 * Copies of SQLite in which the VFS is registered. The name of a driver, or the path of a copy of
 * better-sqlite3, identifies a copy of SQLite.
 */
const registered = new Set<string>()

/**
 * Registers the VFS with every driver of this process. registerDrivers() registers the VFS with
 * better-sqlite3, with other copies of better-sqlite3 that the program has loaded, and with
 * node:sqlite if this version of Node.js has it. A copy of SQLite that cannot load extensions does
 * not affect the other copies. Throws NATIVE_MISSING if no copy of SQLite can load the extension.
 */
export function registerDrivers(): void {
  const drivers = [
    ...allDrivers().map((driver) => [driver.name, () => driver] as const),
    ...loadedBetterSqlite3().map((module) => [module, () => findDriver({ module })] as const),
  ]
  let failure: unknown
  for (const [name, driver] of drivers) {
    if (registered.has(name)) continue
    try {
      const connection = driver().open(':memory:')
      try {
        load(connection)
      } finally {
        connection.close()
      }
      registered.add(name)
    } catch (error) {
      failure = error
    }
  }
  if (registered.size === 0 && failure !== undefined) throw failure
}

/**
 * Registers the VFS with the copy of SQLite that belongs to the given driver. Throws
 * INVALID_ARGUMENT for a value that is not a driver, and NATIVE_MISSING if the driver's copy of
 * SQLite cannot load extensions.
 */
export async function registerDriver(driver: ReplicaDriver): Promise<void> {
  const own = isDriverClass(driver) ? new driver(':memory:', { allowExtension: true }) : undefined
  try {
    await loadInto(own ?? (driver as ExtensionLoader))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new LitestreamError('NATIVE_MISSING', `the driver cannot load the extension ${addonPath()}: ${why}`, {
      cause: error,
      hint: 'Use a driver whose SQLite can load extensions: better-sqlite3, or DatabaseSync of node:sqlite with `allowExtension: true`.',
    })
  } finally {
    await own?.close()
  }
}

/**
 * Loads the extension into a connection. The driver node-sqlite3 calls a callback when it has
 * loaded the extension. Other drivers return, or resolve a promise, when they have loaded the
 * extension.
 */
async function loadInto(connection: ExtensionLoader): Promise<void> {
  const callback = connection as unknown as {
    readonly configure?: unknown
    loadExtension(path: string, done: (error: Error | null) => void): void
  }
  if (typeof callback.configure === 'function') {
    await new Promise<void>((resolve, reject) => {
      callback.loadExtension(addonPath(), (error) => (error ? reject(error) : resolve()))
    })
  } else await connection.loadExtension(addonPath())
}

/**
 * Opens a replica's URI for reading. Uses any available driver. Throws DRIVER_MISSING if no driver
 * is available.
 */
export function openConnection(uri: string): Connection {
  registerDrivers()
  return findDriver().open(uri, { readonly: true })
}
