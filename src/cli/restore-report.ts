import path from 'node:path'
import { formatFileName } from '../ltx/file-name.js'
import { formatTxid } from '../ltx/txid.js'
import type { RestoreResult } from '../restore/restore-options.js'
import { formatDuration } from '../util/duration.js'
import { formatBytes } from '../util/format-bytes.js'
import { fileJson } from './ltx-listing.js'

/** The replica from which a database was restored. */
export interface RestoredReplica {
  /** The type of the replica's store. */
  readonly replica: string
  /** The replica URL, without secrets. */
  readonly url: string
  /** The argument of the command, with the secrets of a URL masked. */
  readonly source: string
}

/** Returns the JSON output of a restore that did nothing because its output file existed. */
export function existingJson(output: string, replica: string): object {
  return { db_path: output, replica, status: 'output-exists' }
}

export function existingText(output: string): string {
  return `database already exists, nothing restored: ${output}`
}

/** Returns the JSON output of a completed restore. */
export function restoreJson(result: RestoreResult, { replica, source }: RestoredReplica): object {
  const { status, dbPath, plan, txid, durationMs, legacy } = result
  if (status === 'output-exists') return existingJson(dbPath, replica)
  if (status === 'no-replica') return { db_path: dbPath, replica, status }
  if (legacy) {
    // A replica of Litestream 0.3 has a generation and a WAL index instead of a TXID.
    const { generation, index } = legacy
    return { db_path: dbPath, replica, status, generation, index, duration_ms: durationMs, ...checkJson(result) }
  }
  if (status === 'restored')
    return { db_path: dbPath, replica, txid: formatTxid(txid), duration_ms: durationMs, ...checkJson(result) }
  return {
    source,
    target_path: dbPath,
    replica,
    min_txid: formatTxid(plan[0]!.minTxid),
    max_txid: formatTxid(plan.at(-1)!.maxTxid),
    files: plan.map((file) => {
      const { level, ...rest } = fileJson(file)
      return { level, name: formatFileName(file.minTxid, file.maxTxid), ...rest }
    }),
  }
}

function checkJson({ integrityCheck, integrity, warnings }: RestoreResult) {
  return { integrity_check: integrityCheck, integrity: integrity?.outcome ?? null, warnings }
}

/** Describes the result of a restore in one sentence. `url` is the replica URL without secrets. */
export function restoreText(result: RestoreResult, url: string): string {
  const { status, dbPath, bytes, txid, durationMs } = result
  if (status === 'output-exists') return existingText(dbPath)
  if (status === 'no-replica') return `no replica at ${url}, nothing restored`
  if (result.legacy) {
    const { generation, index } = result.legacy
    const what = `generation ${generation}, WAL index ${index}, in the format of Litestream 0.3`
    if (status === 'planned') return `would restore ${dbPath}: ${what}`
    return `restored ${dbPath}: ${what}, in ${formatDuration(durationMs)}`
  }
  const name = path.relative('.', dbPath) || dbPath
  return `restored ${name}: ${formatBytes(bytes)}, TXID ${formatTxid(txid)}, ${checkText(result)}, in ${formatDuration(durationMs)}`
}

function checkText({ integrityCheck, integrity }: RestoreResult): string {
  if (integrityCheck === 'none') return 'not checked'
  return integrity?.outcome === 'ok' ? `${integrityCheck} check ok` : `${integrityCheck} check with a warning`
}
