import { constants } from 'node:os'
import { LitestreamError } from '../errors.js'

/**
 * 128 plus the number of the signal: the exit status that a shell reports for a process ended by a
 * signal.
 */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** Why the signal of `abortOnSignals` is aborted. */
export class Interrupted extends LitestreamError {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super('ABORTED', `interrupted by ${signal}`, { hint: 'Run the command again to continue.' })
    this.signal = signal
  }
}

/**
 * The signals that end a command. SIGHUP keeps its default: a handler would undo nohup. On Windows,
 * SIGBREAK is Ctrl+Break and the way in which one program asks another to end, and SIGHUP is the
 * closing of the console, after which Windows waits for some seconds. No program can send SIGTERM
 * there.
 */
export function endingSignals(platform: NodeJS.Platform): readonly NodeJS.Signals[] {
  return platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM']
}

const ENDING = endingSignals(process.platform)

/**
 * Ignored, as by Litestream. A rotation of logs may send them; by default, SIGUSR1 opens the
 * debugger of Node.js and SIGUSR2 ends the process without a last sync.
 */
const IGNORED = ['SIGUSR1', 'SIGUSR2'] as const
const ignore = () => {}

/**
 * Runs `work` with a signal that the first one of ENDING aborts, so that it can clean up. The second
 * one ends the process immediately, with the status of that signal, after `onSecond`.
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
