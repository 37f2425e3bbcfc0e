import path from 'node:path'
import { foldersIn } from '../../fs/folders-in.js'
import type { StoreFolder } from '../walk-folders.js'

/**
 * A folder that may be a replica: `ltx/<level>` or `generations` of Litestream 0.3 make it one.
 * Symbolic links are not followed. Errors of the system are thrown unchanged.
 */
export async function readStoreFolder(folder: string): Promise<StoreFolder> {
  const names = await foldersIn(folder)
  const isCurrent = names.includes('ltx') && (await foldersIn(path.join(folder, 'ltx'))).some(isLevel)
  const isLegacy = names.includes('generations')
  const own = (name: string) => (name === 'ltx' && isCurrent) || (name === 'generations' && isLegacy)
  return { isReplica: isCurrent || isLegacy, folders: names.filter((name) => !own(name)) }
}

function isLevel(name: string): boolean {
  return /^[0-9]$/.test(name)
}
