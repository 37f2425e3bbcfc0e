import { LitestreamError } from '../../errors.js'
import { abortError, onAbort } from '../../util/abort.js'
import { startTimer } from '../../util/timers.js'

/**
 * Timeout in milliseconds for file operations that move little data. A network file system whose
 * server is unreachable answers no call, and calls cannot be cancelled; a disk under load may take
 * seconds.
 */
const TIMEOUT = 60_000

/**
 * How long running calls may take to finish after an abort, in milliseconds; those of a local disk
 * do finish.
 */
const GRACE = 1_000

export interface BoundedWait {
  /** For messages: "reading /var/…". */
  readonly what: string
  readonly file: string
  readonly signal: AbortSignal | undefined
  /** Fires, with a LitestreamError as reason, when the client is closed. */
  readonly closing: AbortSignal
  /** Whether there is no time limit, as for the body of a write. */
  readonly unlimited?: boolean
}

/**
 * The result of `work`; rejects when it takes too long (TIMEOUT) or a signal aborts (ABORTED). The
 * work itself then continues, with its own memory and files.
 */
export function boundedWait<T>(work: Promise<T>, options: BoundedWait): Promise<T> {
  const { what, file, signal, closing, unlimited = false } = options
  return new Promise<T>((resolve, reject) => {
    const fail = (error: LitestreamError) => {
      settle()
      reject(error)
    }
    let timer = unlimited ? undefined : startTimer(TIMEOUT, () => fail(noAnswer(what, file)))
    const giveUp = (error: LitestreamError) => {
      timer?.stop()
      timer = startTimer(GRACE, () => fail(error))
    }
    const forgets = [
      onAbort(signal, () => giveUp(abortError(signal!, what))),
      onAbort(closing, () => giveUp(closing.reason)),
    ]
    const settle = () => {
      timer?.stop()
      for (const forget of forgets) forget()
    }
    work.then(
      (value) => {
        settle()
        resolve(value)
      },
      (error: unknown) => {
        settle()
        reject(error)
      },
    )
  })
}

function noAnswer(what: string, file: string): LitestreamError {
  return new LitestreamError('TIMEOUT', `${what} failed: the file system did not answer within ${TIMEOUT / 1000} s`, {
    file,
    hint: 'Check the disk; for a network file system, check its mount and its server.',
  })
}
