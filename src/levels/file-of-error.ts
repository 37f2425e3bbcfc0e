import type { LtxFileInfo } from '../storage/replica-client.js'

const files = new WeakMap<object, LtxFileInfo>()

/**
 * Runs `work`, which reads `file`. If `work` throws an error, `fileOfError` returns `file` for this
 * error.
 */
export async function reading<T>(file: LtxFileInfo, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (typeof error === 'object' && error !== null) files.set(error, file)
    throw error
  }
}

/**
 * Returns the file that was being read when the error was thrown. The error of a store contains a
 * path or a key, but not the level and the TXIDs of the file.
 */
export function fileOfError(error: object): LtxFileInfo | undefined {
  return files.get(error)
}
