import path from 'node:path'
import { foldersIn } from '../../fs/folders-in.js'
import { type StoreFolder, storeFolder } from '../walk-folders.js'

/**
 * A folder that may be a replica. Symbolic links are not followed. Errors of the system are thrown
 * unchanged.
 */
export function readStoreFolder(folder: string): Promise<StoreFolder> {
  return storeFolder('', (relative) => foldersIn(path.join(folder, relative)))
}
