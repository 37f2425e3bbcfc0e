import { opendir, readdir, stat } from 'node:fs/promises'
import { throwIfAborted } from '../util/abort.js'
import { isErrno } from './fs-error.js'

/** Number of directory entries that are read with one call. */
const BATCH = 1024

/**
 * Maximum size in bytes of a directory that is read with one call. A directory of SMALL_DIRECTORY
 * bytes has at most a few thousand entries. Reading the entries in batches would take four times
 * the processor time, because each batch uses a thread of libuv's pool.
 */
const SMALL_DIRECTORY = 128 * 1024

/**
 * Returns the names in `directory` for which `wanted` returns true, in no particular order. Returns
 * an empty list if `directory` does not exist. If the directory is large, memory holds only the
 * returned names. Throws errors of the operating system unchanged.
 */
export async function namesIn(
  directory: string,
  wanted: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<string[]> {
  const names: string[] = []
  try {
    if ((await stat(directory)).size <= SMALL_DIRECTORY) {
      const all = await readdir(directory)
      throwIfAborted(signal, `listing ${directory}`)
      return all.filter(wanted)
    }
    for await (const { name } of await opendir(directory, { bufferSize: BATCH })) {
      throwIfAborted(signal, `listing ${directory}`)
      if (wanted(name)) names.push(name)
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  return names
}
