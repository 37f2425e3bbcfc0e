import { unlinkSync } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import { isErrno } from './fs-error.js'

/** Removes a file or link; no error if it does not exist. */
export async function removeFile(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

/** `removeFile` for code that cannot wait. */
export function removeFileSync(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

/** Removes a regular file; anything else with this name is kept. */
export async function removeRegular(file: string): Promise<void> {
  try {
    if ((await lstat(file)).isFile()) await unlink(file)
  } catch (error) {
    // Another process removed it.
    if (!isErrno(error, 'ENOENT')) throw error
  }
}
