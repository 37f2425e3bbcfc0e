import { rename } from 'node:fs/promises'
import { pause } from '../util/pause.js'
import { isErrno } from './fs-error.js'

/** Time to wait until no other process has opened the file that is replaced, in milliseconds. */
const PATIENCE_MS = 5000
const FIRST_PAUSE_MS = 10

/**
 * Renames a file with rename(2). On Windows, rename fails while another process, such as a virus
 * scanner or a reader, has opened one of the two files. On Windows, the rename is retried for up to
 * 5 s.
 */
export async function replaceFile(from: string, to: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (let wait = FIRST_PAUSE_MS; ; wait *= 2) {
    try {
      return await rename(from, to)
    } catch (error) {
      const isOpen = process.platform === 'win32' && isErrno(error, 'EPERM', 'EACCES', 'EBUSY')
      if (!isOpen || performance.now() + wait > deadline) throw error
    }
    await pause(wait)
  }
}
