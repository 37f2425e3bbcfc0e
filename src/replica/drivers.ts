import { createRequire } from 'node:module'
import { type ExtensionLoader, load } from './loadable.js'

let registered = false

/**
 * Registers the VFS with every driver this process can have: better-sqlite3, and node:sqlite where this Node has it. Each brings a
 * SQLite of its own. A driver that is not installed is left out.
 */
export function registerDrivers(): void {
  if (registered) return
  const require = createRequire(import.meta.url)
  const open: (() => ExtensionLoader & { close(): unknown })[] = [
    () => new (require('better-sqlite3') as new (path: string) => ExtensionLoader & { close(): unknown })(':memory:'),
    () => {
      const { DatabaseSync } = require('node:sqlite')
      return new DatabaseSync(':memory:', { allowExtension: true })
    },
  ]
  for (const make of open) {
    let connection: ReturnType<typeof make>
    try {
      connection = make()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'MODULE_NOT_FOUND' || code === 'ERR_UNKNOWN_BUILTIN_MODULE') continue
      throw error
    }
    load(connection)
    connection.close()
  }
  registered = true
}
