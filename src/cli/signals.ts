import { constants } from 'node:os'
import { LitestreamError } from '../errors.js'

/**
 * Returns 128 plus the number of the signal, which is the exit status that a shell reports for a
 * process that a signal ended.
 */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** The abort reason of the AbortSignal that `abortOnSignals` passes to `work`. */
export class Interrupted extends LitestreamError {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super('ABORTED', `interrupted by ${signal}`, { hint: 'Run the interrupted command again to complete its work.' })
    this.signal = signal
  }
}

/**
 * Returns the signals that end a command. On systems other than Windows, the result lacks SIGHUP,
 * because a handler for SIGHUP would undo the effect of `nohup`. On Windows, SIGBREAK means
 * Ctrl+Break or a request of another program, and SIGHUP means that the console was closed. Windows
 * ends the process some seconds after SIGHUP. No program can send SIGTERM on Windows.
 */
export function endingSignals(platform: NodeJS.Platform): readonly NodeJS.Signals[] {
  return platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM']
}

const ENDING = endingSignals(process.platform)

/**
 * The process ignores SIGUSR1 and SIGUSR2, as Litestream does, because log rotation may send these
 * signals. By default, SIGUSR1 opens the debugger of Node.js, and SIGUSR2 ends the process without
 * a final sync.
 */
const IGNORED = ['SIGUSR1', 'SIGUSR2'] as const
const ignore = () => {}

/**
 * Calls `work` with an AbortSignal. The first operating-system signal in ENDING aborts the
 * AbortSignal, so that `work` can clean up. The second operating-system signal calls `onSecond` and
 * ends the process immediately, with the exit status of that signal.
 */
export async function abortOnSignals<T>(
  work: (signal: AbortSignal) => Promise<T>,
  onSecond: (signal: NodeJS.Signals) => void = () => {},
): Promise<T> {
  const controller = new AbortController()
  const abort = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      try {
        onSecond(signal)
      } finally {
        process.exit(signalStatus(signal))
      }
    }
    controller.abort(new Interrupted(signal))
  }
  for (const signal of ENDING) process.on(signal, abort)
  for (const signal of IGNORED) process.on(signal, ignore)
  try {
    return await work(controller.signal)
  } finally {
    for (const signal of ENDING) process.off(signal, abort)
    for (const signal of IGNORED) process.off(signal, ignore)
  }
}
