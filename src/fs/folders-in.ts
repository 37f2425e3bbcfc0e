import { opendir } from 'node:fs/promises'
import { isErrno } from './fs-error.js'

/**
 * The names of the folders in `directory`, sorted; none if the directory does not exist. Symbolic
 * links are not followed. Errors of the system are thrown unchanged.
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
