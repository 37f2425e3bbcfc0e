import { stat } from 'node:fs/promises'
import { deserializeError, type SerializedError } from '../errors.js'
import { fsError } from '../fs/fs-error.js'
import { native } from '../native/addon.js'
import { threadUrl } from '../thread-url.js'
import { onAbort, throwIfAborted } from '../util/abort.js'
import { startInterval, type Timer } from '../util/timers.js'
import type { IntegrityReport } from './report.js'

/** Interval in milliseconds between the interrupts that end an aborted check. */
const INTERRUPT_MS = 50

/**
 * Maximum size in bytes of a database that is checked on the calling thread. The check of such a
 * database takes a few milliseconds; a worker thread needs ten times as long to start.
 */
const SMALL_DATABASE = 256 * 1024

/** The input of the worker thread. */
export interface IntegrityRequest {
  readonly path: string
  readonly check: 'quick' | 'full'
  /**
   * Whether connections of this process or of other processes may use the database during the
   * check. If `live` is true, only SQLite may open the database file.
   */
  readonly live: boolean
  /**
   * Memory shared with the worker thread. If the shared value is not 0, the worker thread ends the
   * check.
   */
  readonly stop: Int32Array<SharedArrayBuffer>
}

/**
 * Messages of the worker thread. The first message contains the number with which the check can be
 * interrupted. The second message contains the result or an error.
 */
export type IntegrityMessage =
  | { readonly interrupter: number }
  | { readonly report: IntegrityReport }
  | { readonly error: SerializedError }

export interface CheckOptions {
  readonly signal?: AbortSignal
  readonly live?: boolean
}

/**
 * Checks a database with SQLite. Runs in a worker thread, because the check reads the whole
 * database in one synchronous call. Only a small database that is not live is checked on the
 * calling thread. If SQLite reports a fault and no other connection uses the
 * database, also checks the b-trees without SQLite. Aborting `signal` interrupts the check. Throws
 * ABORTED, and errors of reading the file.
 */
export async function checkIntegrity(
  path: string,
  check: 'quick' | 'full',
  { signal, live = false }: CheckOptions = {},
): Promise<IntegrityReport> {
  throwIfAborted(signal, `checking ${path}`)
  if (!live && (await isSmall(path))) {
    const { checkDatabase } = await import('./check-database.js')
    return checkDatabase({ path, check, live, onInterrupter: () => {}, isStopped: () => false })
  }
  // `node:worker_threads` is loaded on demand, because most primaries never run an integrity check.
  const { Worker } = await import('node:worker_threads')
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const workerData: IntegrityRequest = { path, check, live, stop }
  const worker = new Worker(threadUrl('integrity/worker.js'), { workerData })
  let interrupter: number | undefined
  let answer: IntegrityMessage | undefined
  let failure: unknown
  worker.on('message', (message: IntegrityMessage) => {
    if ('interrupter' in message) interrupter = message.interrupter
    else answer = message
  })
  worker.on('error', (error) => {
    failure = error
  })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let timer: Timer | undefined
  const end = () => {
    Atomics.store(stop, 0, 1)
    const interrupt = () => interrupter !== undefined && native.interruptSource(interrupter)
    interrupt()
    // The interrupt is repeated, because an interrupt between two SQL statements has no effect.
    timer = startInterval(INTERRUPT_MS, interrupt)
  }
  const forget = onAbort(signal, end)
  try {
    // The worker thread must end without terminate(). If terminate() interrupted the thread while
    // better-sqlite3 throws an error, better-sqlite3 would abort the process.
    await exited
  } finally {
    forget()
    timer?.stop()
  }
  throwIfAborted(signal, `checking ${path}`)
  if (answer && 'report' in answer) return answer.report
  throw answer && 'error' in answer ? deserializeError(answer.error) : failure
}

async function isSmall(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size <= SMALL_DATABASE
  } catch (error) {
    throw fsError(error, 'checking', path)
  }
}
