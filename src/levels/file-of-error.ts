import type { LtxFileInfo } from '../storage/replica-client.js'

const files = new WeakMap<object, LtxFileInfo>()

/** Runs `work`, which reads `file`; `fileOfError` then returns the file for an error that it throws. */
export async function reading<T>(file: LtxFileInfo, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (typeof error === 'object' && error !== null) files.set(error, file)
    throw error
  }
}

/**
 * The file that was being read when the error was thrown. An error of a store names the file as the
 * store does (a path, a key), so it cannot be found by its name.
 */
export function fileOfError(error: object): LtxFileInfo | undefined {
  return files.get(error)
}
