import { rename } from 'node:fs/promises'
import { pause } from '../util/pause.js'
import { isErrno } from './fs-error.js'

/** Maximum time in milliseconds for which a failed rename on Windows is retried. */
const PATIENCE_MS = 5000
const FIRST_PAUSE_MS = 10

/**
 * Renames a file with rename(2). On Windows, a rename fails while another process, such as a virus
 * scanner or a reader, has one of the two files open. On Windows, a failed rename is therefore
 * retried.
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
