import { constants } from 'node:os'

/** 128 plus the number of the signal: the exit status that a shell reports for a process ended by a signal. */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/**
 * Runs `work` with a signal that SIGINT and SIGTERM abort, so that temporary files are cleaned up. A second one ends the process at
 * once.
 */
export async function abortOnSignals<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const abort = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signalStatus(signal))
    controller.abort(new Error(`interrupted by ${signal}`))
  }
  process.on('SIGINT', abort).on('SIGTERM', abort)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort)
  }
}
