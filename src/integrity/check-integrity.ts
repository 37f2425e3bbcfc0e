import { deserializeError, type SerializedError } from '../errors.js'
import { native } from '../native/addon.js'
import { threadUrl } from '../thread-url.js'
import { onAbort, throwIfAborted } from '../util/abort.js'
import { startInterval, type Timer } from '../util/timers.js'
import type { IntegrityReport } from './report.js'

/** Interval at which a worker that should end is interrupted, in milliseconds. */
const INTERRUPT_MS = 50

/** Input of the worker thread. */
export interface IntegrityRequest {
  readonly path: string
  readonly check: 'quick' | 'full'
  /**
   * Other connections, also in this process, may use the database: only SQLite may open its file.
   */
  readonly live: boolean
  /** Shared with the worker; a value other than 0 tells it to end the check. */
  readonly stop: Int32Array<SharedArrayBuffer>
}

/** Messages of the worker thread: first the number for interrupting its check, then the result. */
export type IntegrityMessage =
  | { readonly interrupter: number }
  | { readonly report: IntegrityReport }
  | { readonly error: SerializedError }

export interface CheckOptions {
  readonly signal?: AbortSignal
  readonly live?: boolean
}

/**
 * Lets SQLite check a database, in a worker thread because the check reads the whole database
 * without returning. If the check reports anything and the database is not live, its b-trees are
 * also checked without SQLite. Aborting the signal interrupts SQLite. Throws ABORTED, and errors of
 * reading the file.
 */
export async function checkIntegrity(
  path: string,
  check: 'quick' | 'full',
  { signal, live = false }: CheckOptions = {},
): Promise<IntegrityReport> {
  throwIfAborted(signal, `checking ${path}`)
  // A process that checks nothing, such as most primaries, does not need it in memory.
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
    // Repeatedly, because between two statements an interrupt has no effect.
    timer = startInterval(INTERRUPT_MS, interrupt)
  }
  const forget = onAbort(signal, end)
  try {
    // The thread must return without help: better-sqlite3 aborts the process if terminate()
    // interrupts it while it throws.
    await exited
  } finally {
    forget()
    timer?.stop()
  }
  throwIfAborted(signal, `checking ${path}`)
  if (answer && 'report' in answer) return answer.report
  throw answer && 'error' in answer ? deserializeError(answer.error) : failure
}
