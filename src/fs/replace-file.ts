import { rename } from 'node:fs/promises'
import { pause } from '../util/pause.js'
import { isErrno } from './fs-error.js'

/** How long to wait until no other process has the replaced file open, milliseconds. */
const PATIENCE_MS = 5000
const FIRST_PAUSE_MS = 10

/**
 * rename(2). Windows does not replace a file that is open, as virus scanners open a new file, and
 * readers any other: there, it is tried again for up to 5 s.
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
