import type { LitestreamError } from '../../errors.js'
import { divergenceJson } from '../../levels/divergence-text.js'
import { SNAPSHOT_LEVEL } from '../../ltx/format.js'
import { formatTxid } from '../../ltx/txid.js'
import type { PrimaryEvents } from '../../primary/events.js'
import type { ProcessEvent } from '../../status/event-streams.js'

/** Returns the fields of an event that describe an error. */
export function errorFields({ code, message, hint }: Pick<LitestreamError, 'code' | 'message' | 'hint'>) {
  return { code, error: message, hint }
}

const ms = (duration: number) => Math.round(duration)

/**
 * Converts an event of a primary to the form that other programs receive. TXIDs have 16 hexadecimal
 * digits, sizes are in bytes, and durations are in milliseconds. Returns undefined for `progress`,
 * because a primary emits several `progress` events per second.
 */
export function eventOf<Name extends keyof PrimaryEvents>(
  path: string,
  name: Name,
  event: PrimaryEvents[Name],
): ProcessEvent | undefined {
  const forms: { [N in keyof PrimaryEvents]: (event: PrimaryEvents[N]) => ProcessEvent | undefined } = {
    open: ({ txid, pageSize }) => ({ event: 'open', path, txid: formatTxid(txid), page_size: pageSize }),
    sync: ({ txid, pages, size, walBytes, durationMs, snapshotReason }) => ({
      event: 'sync',
      path,
      txid: formatTxid(txid),
      pages,
      size,
      wal_bytes: walBytes,
      duration_ms: ms(durationMs),
      ...(snapshotReason === undefined ? {} : { snapshot_reason: snapshotReason }),
    }),
    checkpoint: ({ mode, result, frames, backfilled, durationMs }) => ({
      event: 'checkpoint',
      path,
      mode,
      result,
      frames,
      backfilled,
      duration_ms: ms(durationMs),
    }),
    progress: () => undefined,
    upload: ({ txid, size, durationMs }) => ({
      event: 'upload',
      path,
      txid: formatTxid(txid),
      size,
      duration_ms: ms(durationMs),
    }),
    compaction: ({ level, minTxid, maxTxid, size, durationMs }) => ({
      event: level === SNAPSHOT_LEVEL ? 'snapshot' : 'compaction',
      path,
      level,
      min_txid: formatTxid(minTxid),
      max_txid: formatTxid(maxTxid),
      size,
      duration_ms: ms(durationMs),
    }),
    retention: ({ level, files, bytes }) => ({ event: 'retention', path, level, files, bytes }),
    integrity: ({ outcome, messages, durationMs }) => ({
      event: 'integrity',
      path,
      outcome,
      messages,
      duration_ms: ms(durationMs),
    }),
    missing: ({ missingMs, hint }) => ({ event: 'missing', path, missing_ms: ms(missingMs), hint }),
    rejoin: ({ txid, reason }) => ({ event: 'rejoin', path, txid: formatTxid(txid), reason }),
    divergence: ({ divergence, text, hint, action }) => ({
      event: 'divergence',
      path,
      ...divergenceJson(divergence),
      text,
      hint,
      action,
    }),
    notice: ({ object, reason, action }) => ({ event: 'notice', path, object, reason, action }),
    outage: ({ replica, error, failures, durationMs, retryMs }) => ({
      event: 'outage',
      path,
      replica,
      ...(error === undefined ? {} : errorFields(error)),
      failures,
      outage_ms: ms(durationMs),
      retry_ms: retryMs === undefined ? null : ms(retryMs),
    }),
    error: ({ operation, error, failures, retryMs }) => ({
      event: 'error',
      path,
      operation,
      ...errorFields(error),
      failures,
      retry_ms: retryMs === undefined ? null : ms(retryMs),
    }),
    recover: ({ operation }) => ({ event: 'recover', path, operation }),
  }
  return forms[name](event)
}
