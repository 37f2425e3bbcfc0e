import { parentPort } from 'node:worker_threads'
import { LitestreamError, toLitestreamError } from '../../errors.js'
import { openLogFile } from '../../fs/log-file.js'
import { formatTxid } from '../../ltx/txid.js'
import { roundedDuration } from '../../storage/outage.js'
import { redactUrl } from '../../storage/shown-url.js'
import { LOG_LEVELS, type LogLevel, tryParseLogLevel } from '../../util/log-level.js'
import { createLogger, type LogFields, type Logger } from '../../util/logger.js'
import type { WorkerWarning } from '../messages.js'
import type { SessionEvent } from './replica-session.js'

const LEVEL = 'LITESTREAM_LOG_LEVEL'
const FILE = 'LITESTREAM_LOG_FILE'

/**
 * Returns the logger that LITESTREAM_LOG_FILE and LITESTREAM_LOG_LEVEL configure. The logger
 * appends to the file LITESTREAM_LOG_FILE. If LITESTREAM_LOG_FILE is not set, the logger writes to
 * stderr, because stdout belongs to the program. Throws CONFIG_INVALID for an unknown level, and
 * the error of a log file that cannot be opened.
 */
export function sessionLog(env: NodeJS.ProcessEnv): Logger {
  const text = env[LEVEL] || 'info'
  const level = tryParseLogLevel(text)
  if (level === undefined) {
    throw new LitestreamError('CONFIG_INVALID', `${LEVEL}: unknown log level ${JSON.stringify(text)}`, {
      hint: `Set ${LEVEL} to one of ${LOG_LEVELS.join(', ')}.`,
    })
  }
  const file = env[FILE]
  return createLogger({ level, type: 'text', ...(file ? { write: reporting(openLogFile(file)) } : {}) })
}

/**
 * Returns a function that appends a line to the log. A full disk must not fail the reads of the
 * program. A failed append to the log only causes a warning. Further failures cause no warning
 * until an append succeeds.
 */
function reporting(append: (line: string) => void): (line: string) => void {
  let reported = false
  return (line) => {
    try {
      append(line)
      reported = false
    } catch (error) {
      const { code, message } = toLitestreamError(error)
      if (!reported) parentPort?.postMessage({ code, message } satisfies WorkerWarning)
      reported = true
    }
  }
}

/** Logs an event of a replica. */
export function logSessionEvent(logger: Logger, url: string, event: SessionEvent): void {
  const [level, message, fields = {}] = lineOf(event)
  logger[level]({ replica: redactUrl(url), ...fields }, message)
}

function lineOf(event: SessionEvent): readonly [level: LogLevel, message: string, fields?: LogFields] {
  switch (event.type) {
    case 'open':
      return ['info', 'replica opened']
    case 'advance':
      return ['debug', 'new transactions', { txid: formatTxid(event.txid) }]
    case 'stale':
      return ['warn', 'replica stale', { reason: event.message }]
    case 'gap':
      return ['warn', 'gap in the replica', { reason: event.message }]
    case 'reset':
      return ['warn', 'replica reset', { reason: event.message, txid: formatTxid(event.txid) }]
    case 'hydrated':
      return ['info', 'local copy complete', { path: event.path }]
    case 'closed':
      return ['info', 'replica closed']
    case 'commit':
      return ['debug', 'commits uploaded', { txid: formatTxid(event.txid), commits: event.commits }]
    case 'conflict':
      return ['warn', 'commit refused', { code: event.code, error: event.message }]
    case 'fenced':
      return ['error', 'another writer has the replica', { code: event.code, error: event.message }]
    case 'outage': {
      const { error, failures, durationMs, retryMs = 0 } = event
      const fields = { failures, outage: roundedDuration(durationMs) }
      if (error === undefined) return ['info', 'the store answers again', fields]
      const { code, message, hint } = error
      const cause = { error: message, code, hint }
      return ['warn', 'the store does not answer', { ...cause, ...fields, retry: roundedDuration(retryMs) }]
    }
    case 'error':
      return ['error', 'replica error', { code: event.error.code, error: event.error.message }]
  }
}
