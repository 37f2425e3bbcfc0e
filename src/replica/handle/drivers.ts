import type { Connection } from '../../sqlite/connection.js'
import { allDrivers, findDriver } from '../../sqlite/find-driver.js'
import { load } from './loadable.js'

let registered = false

/**
 * Registers the VFS with every driver available to this process: better-sqlite3, and node:sqlite if
 * this Node.js has it.
 */
export function registerDrivers(): void {
  if (registered) return
  for (const driver of allDrivers()) {
    const connection = driver.open(':memory:')
    load(connection)
    connection.close()
  }
  registered = true
}

/** Opens a replica's URI for reading with an available driver. Throws DRIVER_MISSING. */
export function openConnection(uri: string): Connection {
  registerDrivers()
  return findDriver().open(uri, { readonly: true })
}
