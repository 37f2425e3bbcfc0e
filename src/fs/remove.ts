import { unlinkSync } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import { isErrno } from './fs-error.js'

/** Removes the file or the symbolic link at a path. Does nothing if the path does not exist. */
export async function removeFile(file: string): Promise<void> {
  try {
    await unlink(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

/** Does the same as `removeFile`, with a synchronous call. */
export function removeFileSync(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

/** Removes a regular file. Does nothing if the path is not a regular file. */
export async function removeRegular(file: string): Promise<void> {
  try {
    if ((await lstat(file)).isFile()) await unlink(file)
  } catch (error) {
    // Another process may have removed the file already.
    if (!isErrno(error, 'ENOENT')) throw error
  }
}
