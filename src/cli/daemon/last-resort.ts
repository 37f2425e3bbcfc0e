import { toLitestreamError } from '../../errors.js'
import type { Logger } from '../../util/logger.js'
import { startTimer } from '../../util/timers.js'

/**
 * Calls `work` with an AbortSignal. If an uncaught error occurs, logs the error and aborts the
 * signal. After an uncaught error, the process shuts down within `limitMs` milliseconds and exits
 * with status 1. Each uncaught error is a bug in litestream-ts, because every timer and event
 * handler handles its own errors.
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
