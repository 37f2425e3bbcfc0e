import { copyFileSync, existsSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from './servers/packages.js'

const PROJ = '/usr/share/proj/proj.db'

/**
 * A copy in `directory` of the database that Debian's proj-data brings: 9 MB, some 80 tables with
 * views, triggers and indexes.
 */
export function copyRealDatabase(directory: string): string {
  if (!existsSync(PROJ)) ensureInstalled(['proj-data'], 'install proj-data yourself')
  const file = path.join(directory, 'proj.db')
  copyFileSync(PROJ, file)
  return file
}
