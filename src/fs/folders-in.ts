import { opendir } from 'node:fs/promises'
import { isErrno } from './fs-error.js'

/**
 * Returns the sorted names of the folders in `directory`. Returns an empty list if `directory` does
 * not exist. Does not follow symbolic links. Throws errors of the operating system unchanged.
 */
export async function foldersIn(directory: string): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const entry of await opendir(directory)) if (entry.isDirectory()) names.push(entry.name)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  return names.sort()
}
