import { opendir } from 'node:fs/promises'
import { throwIfAborted } from '../util/abort.js'
import { isErrno } from './fs-error.js'

/** Entries read from the system in one call. */
const BATCH = 1024

/**
 * The names in `directory` that `wanted` accepts, in no order; none if there is no such directory. Only these names are kept in memory,
 * however many others the directory has. Errors of the system are thrown as they are.
 */
export async function namesIn(
  directory: string,
  wanted: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(directory, { bufferSize: BATCH })) {
      throwIfAborted(signal, `listing ${directory}`)
      if (wanted(name)) names.push(name)
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  return names
}
