import { toLitestreamError } from '../../errors.js'
import type { Logger } from '../../util/logger.js'
import { startTimer } from '../../util/timers.js'

/**
 * Runs `work` with a signal that an error nobody has caught aborts, rather than ending the process in the middle of its work: it is
 * logged with its code, and after a shutdown, which may take `limitMs`, the process ends with status 1. Such an error is a fault of
 * this program: every timer and handler has an error handler of its own.
 */
export async function withLastResort<T>(
  logger: Logger,
  limitMs: number,
  work: (fatal: AbortSignal) => Promise<T>,
): Promise<T | 1> {
  const fatal = new AbortController()
  const onError = (thrown: unknown) => {
    const { message, code, hint, stack } = toLitestreamError(thrown)
    const text = fatal.signal.aborted ? 'unexpected error during the shutdown' : 'unexpected error, shutting down'
    logger.fatal({ error: message, code, hint, stack }, text)
    if (fatal.signal.aborted) return
    fatal.abort(thrown)
    startTimer(limitMs, () => process.exit(1)).unref()
  }
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', onError)
  try {
    const result = await work(fatal.signal)
    return fatal.signal.aborted ? 1 : result
  } finally {
    process.off('uncaughtException', onError)
    for (const other of others) process.on('uncaughtException', other)
  }
}
