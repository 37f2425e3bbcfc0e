import { SNAPSHOT_LEVEL } from '../../ltx/format.js'
import { formatTxid } from '../../ltx/txid.js'
import type { PrimaryEvents } from '../../primary/events.js'
import { formatDuration } from '../../util/duration.js'
import type { Logger } from '../../util/logger.js'
import { logOutage } from './outage-log.js'
import { endProgress, showProgress } from './upload-progress.js'

/** Minimum interval in milliseconds between two log lines about failures of one operation. */
const ERROR_LOG_INTERVAL = 30_000
const lastErrorLog = new WeakMap<Logger, Map<string, number>>()

function shallLog(logger: Logger, operation: string, failures: number): boolean {
  const times = lastErrorLog.get(logger) ?? new Map<string, number>()
  lastErrorLog.set(logger, times)
  const now = Date.now()
  if (failures > 1 && now - (times.get(operation) ?? 0) < ERROR_LOG_INTERVAL) return false
  times.set(operation, now)
  return true
}

const CHECKED = {
  incomplete: 'SQLite could not run all of its check of the database',
  findings: 'the check of the database found faults',
  damaged: 'the database is damaged',
} as const
const ADVICE = {
  incomplete: 'Check the database with the application that uses it.',
  findings: 'Run PRAGMA integrity_check on the database.',
  damaged:
    'Run PRAGMA integrity_check on the database, and restore an earlier state with -timestamp if the check finds damage.',
} as const

/**
 * Logs an event of a primary. If Litestream logs the same event, the log line has Litestream's
 * message.
 */
export function logPrimaryEvent<Name extends keyof PrimaryEvents>(
  logger: Logger,
  name: Name,
  event: PrimaryEvents[Name],
  replica: string,
): void {
  const handlers: { [N in keyof PrimaryEvents]: (event: PrimaryEvents[N]) => void } = {
    open: ({ txid, pageSize }) => logger.info({ txid: formatTxid(txid), pageSize }, 'initialized db'),
    sync: ({ txid, pages, size, walOffset, durationMs, snapshotReason }) => {
      const fields = { txid: formatTxid(txid), pages, size, offset: walOffset, elapsed: formatDuration(durationMs) }
      if (snapshotReason) logger.info({ ...fields, snap: true, reason: snapshotReason }, 'sync')
      else logger.debug({ ...fields, snap: false }, 'sync')
    },
    checkpoint: ({ mode, result, frames, backfilled }) =>
      logger.debug({ mode, result, frames, backfilled }, 'checkpoint'),
    progress: (progress) => showProgress(logger, progress),
    upload: ({ db, txid, size }) => {
      endProgress(db)
      const id = formatTxid(txid)
      logger.info({ ltxLevel: 0, minTXID: id, maxTXID: id, size }, 'ltx file uploaded')
    },
    compaction: ({ level, minTxid, maxTxid, size }) => {
      if (level === SNAPSHOT_LEVEL) logger.info({ txid: formatTxid(maxTxid), size }, 'snapshot complete')
      else {
        const txids = { minTXID: formatTxid(minTxid), maxTXID: formatTxid(maxTxid) }
        logger.info({ ltxLevel: level, ...txids, size }, 'compaction complete')
      }
    },
    retention: ({ level, files, bytes }) => {
      logger.info({ ltxLevel: level, files, bytes }, level === 0 ? 'l0 retention enforced' : 'retention enforced')
    },
    integrity: ({ outcome, messages, durationMs }) => {
      const elapsed = formatDuration(Math.round(durationMs))
      if (outcome === 'ok') logger.info({ elapsed }, 'database check ok')
      else {
        const hint = `The replica contains the same fault as the database. ${ADVICE[outcome]}`
        logger.warn({ outcome, messages: messages.join('; '), elapsed, hint }, CHECKED[outcome])
      }
    },
    rejoin: ({ txid, reason }) =>
      logger.warn({ txid: formatTxid(txid), reason }, 'replication continues with a full snapshot'),
    divergence: ({ text, hint, action }) =>
      logger.warn({ hint, 'on-divergence': action }, `the database has diverged: ${text}`),
    missing: ({ missingMs, hint }) =>
      logger.warn(
        { missing: formatDuration(Math.round(missingMs)), hint },
        'the database does not exist and is not replicated',
      ),
    outage: (outage) => logOutage(logger, outage),
    notice: ({ object, reason, action }) => logger.warn({ object, reason }, action),
    error: ({ operation, error, failures, retryMs }) => {
      if (!shallLog(logger, operation, failures)) return
      const retry = retryMs === undefined ? 'never' : formatDuration(Math.round(retryMs))
      logger.error(
        { error: error.message, code: error.code, hint: error.hint, failures, retry, replica },
        `${operation} error`,
      )
    },
    recover: ({ operation }) => logger.info(`${operation} recovered`),
  }
  handlers[name](event)
}
