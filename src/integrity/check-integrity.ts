import { Worker } from 'node:worker_threads'
import { deserializeError, type SerializedError } from '../errors.js'
import { native } from '../native/addon.js'
import { threadUrl } from '../thread-url.js'
import { abortError, throwIfAborted } from '../util/abort.js'
import { startInterval } from '../util/timers.js'
import type { IntegrityReport } from './report.js'

/** How often a worker that is to end is interrupted, milliseconds. */
const INTERRUPT_MS = 50

/** Input of the worker thread. */
export interface IntegrityRequest {
  readonly path: string
  readonly check: 'quick' | 'full'
  /** Other connections, also of this process, may use the database: only SQLite may open its file. */
  readonly live: boolean
}

/** What the worker thread sends: how its check can be interrupted, then the result. */
export type IntegrityMessage =
  | { readonly interrupter: number }
  | { readonly report: IntegrityReport }
  | { readonly error: SerializedError }

export interface CheckOptions {
  readonly signal?: AbortSignal
  readonly live?: boolean
}

/**
 * Lets SQLite check a database, in a worker thread, because it reads all of it without ever returning in between. The b-trees of a
 * database that is not live are checked without SQLite if its check does not say that all is well. Aborting the signal interrupts
 * SQLite. Throws ABORTED, and what reading the file throws.
 */
export async function checkIntegrity(
  path: string,
  check: 'quick' | 'full',
  { signal, live = false }: CheckOptions = {},
): Promise<IntegrityReport> {
  throwIfAborted(signal, `checking ${path}`)
  const workerData: IntegrityRequest = { path, check, live }
  const worker = new Worker(threadUrl('integrity/worker.js'), { workerData })
  let interrupter: number | undefined
  const interrupt = () => {
    if (interrupter !== undefined) native.interruptSource(interrupter)
  }
  signal?.addEventListener('abort', interrupt)
  try {
    return await new Promise<IntegrityReport>((resolve, reject) => {
      worker.on('message', (message: IntegrityMessage) => {
        if ('report' in message) resolve(message.report)
        else if ('error' in message) reject(deserializeError(message.error))
        else {
          interrupter = message.interrupter
          if (signal?.aborted) interrupt()
        }
      })
      worker.on('error', reject)
      signal?.addEventListener('abort', () => reject(abortError(signal, `checking ${path}`)))
    })
  } catch (error) {
    throw signal?.aborted ? abortError(signal, `checking ${path}`) : error
  } finally {
    signal?.removeEventListener('abort', interrupt)
    // Again and again: between two statements there is nothing to interrupt.
    const timer = startInterval(INTERRUPT_MS, interrupt)
    await worker.terminate()
    timer.stop()
  }
}
