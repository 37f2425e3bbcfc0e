/** 128 and the number of the signal: what a shell reports for a process that a signal ended. */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + ({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as Record<string, number>)[signal]!
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
