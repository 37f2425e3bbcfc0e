import { LitestreamError } from '../../errors.js'
import { abortError, onAbort } from '../../util/abort.js'
import { startTimer } from '../../util/timers.js'

/**
 * Milliseconds for an operation on files that moves little data. A file system whose server is away answers no call, and no call can be
 * ended; a disk under load may take seconds.
 */
const TIMEOUT = 60_000

/** Milliseconds that calls under way get to come to their end after an abort: those of a disk do. */
const GRACE = 1_000

export interface BoundedWait {
  /** For messages: "reading /var/…". */
  readonly what: string
  readonly file: string
  readonly signal: AbortSignal | undefined
  /** Fires, with a LitestreamError as reason, when the client is closed. */
  readonly closing: AbortSignal
  /** Whether it may take as long as it takes, as the body of a write does. */
  readonly unlimited?: boolean
}

/**
 * The result of `work`, waited for until it takes too long (TIMEOUT) or a signal is aborted (ABORTED). The work itself goes on then: the
 * memory and the files that it uses are its own.
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
    hint: 'Check the disk and, for a network file system, its mount and its server.',
  })
}
