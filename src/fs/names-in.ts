import { opendir, readdir, stat } from 'node:fs/promises'
import { throwIfAborted } from '../util/abort.js'
import { isErrno } from './fs-error.js'

/** Number of entries read per system call. */
const BATCH = 1024

/**
 * Size in bytes up to which a directory is read at once: at most some thousand names. Iterating over
 * a directory takes four times the processor time, because each step passes a thread of libuv's pool.
 */
const SMALL_DIRECTORY = 128 * 1024

/**
 * The names in `directory` that `wanted` accepts, in no order; none if the directory does not
 * exist. Only these names are kept in memory, however large the directory is. Errors of the system
 * are thrown unchanged.
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
