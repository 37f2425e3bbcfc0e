import { LitestreamError } from '../../errors.js'
import { abortError } from '../../util/abort.js'
import { Pending } from '../../util/pending.js'
import { startTimer } from '../../util/timers.js'

/**
 * Timeout in milliseconds for file operations that move little data. If the server of a network
 * file system is unreachable, a system call for a file of this file system does not return. No
 * program can cancel a system call that waits for an unreachable server. A local disk under load
 * may need seconds for one operation.
 */
const TIMEOUT = 60_000

/**
 * Milliseconds that a running file operation may take to finish after an abort. The value GRACE is
 * long enough for any operation on a working local disk.
 */
const GRACE = 1_000

export interface BoundedWait {
  /** Words for messages, such as "reading /var/…". */
  readonly what: string
  readonly file: string
  readonly signal: AbortSignal | undefined
  /** Aborts when the client is closed. The reason of the abort is a LitestreamError. */
  readonly closing: AbortSignal
  /**
   * Whether the wait has no time limit. A write, for example, waits without a limit for the data
   * that the caller provides.
   */
  readonly unlimited?: boolean
}

/**
 * Waits for `work`. Rejects with TIMEOUT if the file system does not answer in time, and with
 * ABORTED after a signal aborts. After a rejection, the operation behind `work` continues. The
 * operation must therefore use memory and files that only it uses.
 */
export function boundedWait<T>(work: Promise<T>, options: BoundedWait): Promise<T> {
  const { what, file, signal, closing, unlimited = false } = options
  const pending = new Pending<T>()
  let timer = unlimited ? undefined : startTimer(TIMEOUT, () => pending.reject(noAnswer(what, file)))
  pending.onSettled(() => timer?.stop())
  const giveUp = (error: LitestreamError) => {
    timer?.stop()
    timer = startTimer(GRACE, () => pending.reject(error))
  }
  pending.onAbort(signal, () => giveUp(abortError(signal!, what)))
  pending.onAbort(closing, () => giveUp(closing.reason))
  pending.follow(work)
  return pending.promise
}

function noAnswer(what: string, file: string): LitestreamError {
  return new LitestreamError('TIMEOUT', `${what} failed: the file system did not answer within ${TIMEOUT / 1000} s`, {
    file,
    hint: 'Check the disk. For a network file system, check the mount and the file server.',
  })
}
