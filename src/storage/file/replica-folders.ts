import path from 'node:path'
import { foldersIn } from '../../fs/folders-in.js'
import { type StoreFolder, storeFolder } from '../walk-folders.js'

/**
 * Reads a folder that may contain a replica. Does not follow symbolic links. Throws the system's
 * errors unchanged.
 */
export function readStoreFolder(folder: string): Promise<StoreFolder> {
  return storeFolder('', (relative) => foldersIn(path.join(folder, relative)))
}
