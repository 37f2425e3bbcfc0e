import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { cleanUp } from './clean-up.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Threads of libuv's pool. */
const THREADS = Number(process.env.UV_THREADPOOL_SIZE ?? 4)

/**
 * From this call on, no asynchronous call on files of this process ends, as on a disk that hangs:
 * opening a FIFO occupies each thread of libuv's pool. Returns the function that ends the hang,
 * which the end of the test also calls.
 */
export function hangDisk(t: TestContext): () => Promise<void> {
  const fifo = path.join(temporaryDirectory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const opening = Array.from({ length: THREADS }, () => open(fifo, 'r'))
  let ended: Promise<void> | undefined
  const end = async () => {
    const other = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
    for (const handle of await Promise.all(opening)) await handle.close()
    closeSync(other)
  }
  const release = () => {
    ended ??= end()
    return ended
  }
  cleanUp(t, release)
  return release
}
