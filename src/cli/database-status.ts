import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { openConfiguredReplica } from '../config/open-configured-replica.js'
import type { DatabaseConfig } from '../config/types.js'
import { type ErrorCode, toLitestreamError } from '../errors.js'
import { pendingDivergence, readDivergences } from '../levels/divergence-record.js'
import { divergenceHint, divergenceText } from '../levels/divergence-text.js'
import { listLevels } from '../levels/plan.js'
import { parseFileName } from '../ltx/file-name.js'
import { formatTxid } from '../ltx/txid.js'
import { metaDirectory } from '../primary/sync/staging.js'
import { StateFile } from '../primary/sync/state-file.js'
import { formatDecimalBytes } from '../util/format-bytes.js'
import { withDeadline } from '../util/wait.js'

/** Time limit for listing a replica, in milliseconds. */
const LISTING_MS = 30_000

/** The replication status of one database, with the keys of the JSON output. */
export interface DatabaseStatusReport {
  readonly database: string
  /** `ok`, `not initialized`, `no database` or `error`, as in Litestream. */
  readonly status: string
  readonly local_txid: string
  /** The size of the WAL for users, such as `16 kB`, as in Litestream. */
  readonly wal_size: string
  /** The size of the WAL in bytes. */
  readonly wal_bytes: number
  readonly remote_txid?: string | null
  readonly lag_seconds?: number | null
  readonly levels?: readonly { readonly level: number; readonly files: number; readonly bytes: number }[]
  readonly error?: string
  readonly error_code?: ErrorCode
  /** Describes a divergence of the database from its replica that no user has acknowledged. */
  readonly divergence?: string
}

/** The text that `status` prints instead of a missing TXID, as in Litestream. */
const NO_TXID = '-'

function walSize(bytes: number): Pick<DatabaseStatusReport, 'wal_size' | 'wal_bytes'> {
  return { wal_size: formatDecimalBytes(bytes), wal_bytes: bytes }
}

/**
 * Returns the columns and rows that `status` prints. The first four columns are the same as in
 * Litestream.
 */
export function statusTable(all: readonly DatabaseStatusReport[]): readonly [string[], string[][]] {
  const header = ['database', 'status', 'local txid', 'wal size', 'replica txid', 'lag', 'files per level']
  const rows = all.map((status) => [
    status.database,
    status.status,
    status.local_txid,
    status.wal_size,
    status.remote_txid ?? '-',
    status.lag_seconds === undefined || status.lag_seconds === null ? '-' : `${status.lag_seconds}s`,
    status.levels
      ?.filter(({ files }) => files > 0)
      .map(({ level, files }) => `L${level}:${files}`)
      .join(' ') || '-',
  ])
  return [header, rows]
}

/**
 * Returns the lines that `status` prints below the table. The lines describe errors and
 * unacknowledged divergences.
 */
export function statusRemarks(all: readonly DatabaseStatusReport[]): string[] {
  return all.flatMap(({ database, error, divergence }) =>
    [error && `${database}: ${error}`, divergence].filter((line) => line !== undefined && line !== ''),
  ) as string[]
}

/** A staged L0 file and the time of its last modification, in milliseconds since the epoch. */
interface LocalFile {
  readonly txid: number
  readonly modified: number
}

/**
 * Returns the staged L0 files of the database in ascending order. Returns an empty list if the
 * database has no staged files.
 */
function localFiles(database: DatabaseConfig): LocalFile[] {
  const dir = path.join(metaDirectory(database.path, database.metaPath), 'ltx', '0')
  if (statSync(dir, { throwIfNoEntry: false }) === undefined) return []
  return readdirSync(dir)
    .flatMap((name) => {
      const range = parseFileName(name)
      const stats = range && statSync(path.join(dir, name), { throwIfNoEntry: false })
      return stats ? [{ txid: range.maxTxid, modified: stats.mtimeMs }] : []
    })
    .sort((a, b) => a.txid - b.txid)
}

/**
 * Computes the status of a database from its local files and from the listing of its replica. If
 * `local` is true, does not list the replica. Returns the status `error` if the local files or the
 * replica cannot be read.
 */
export async function reportStatus(database: DatabaseConfig, local: boolean): Promise<DatabaseStatusReport> {
  let known: DatabaseStatusReport = { database: database.path, status: 'error', local_txid: NO_TXID, ...walSize(0) }
  try {
    const files = localFiles(database)
    known = localStatus(database, files)
    return local ? known : { ...known, ...(await remoteStatus(database, files)) }
  } catch (error) {
    const remote = local ? {} : { remote_txid: null, lag_seconds: null }
    const { code, message } = toLitestreamError(error)
    return { ...known, status: 'error', ...remote, error: message, error_code: code }
  }
}

function localStatus({ path: file, metaPath }: DatabaseConfig, files: readonly LocalFile[]): DatabaseStatusReport {
  const txid = files.at(-1)?.txid
  const loaded = new StateFile(metaDirectory(file, metaPath), file).load()
  const fenced = loaded.kind === 'present' ? loaded.state.fenced : undefined
  const exists = statSync(file, { throwIfNoEntry: false }) !== undefined
  return {
    database: file,
    status: !exists ? 'no database' : fenced !== undefined ? 'error' : txid === undefined ? 'not initialized' : 'ok',
    local_txid: txid === undefined ? NO_TXID : formatTxid(txid),
    ...walSize(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0),
    ...(fenced === undefined
      ? {}
      : { error: `another primary writes to the replica: ${fenced}`, error_code: 'REPLICA_FENCED' as const }),
  }
}

async function remoteStatus(
  database: DatabaseConfig,
  files: readonly LocalFile[],
): Promise<Partial<DatabaseStatusReport>> {
  const { path: file } = database
  const { levels, divergence } = await withDeadline(
    `listing the replica of ${file}`,
    { timeout: LISTING_MS },
    async (signal) => {
      const client = await openConfiguredReplica(database, signal)
      try {
        const [levels, points] = await Promise.all([listLevels(client, signal), readDivergences(client, { signal })])
        const pending = pendingDivergence(points)
        const sentence = pending && `${divergenceText(pending, client.url)}. ${divergenceHint(pending, client.url)}`
        return { levels, divergence: sentence }
      } finally {
        await client.close()
      }
    },
  )
  const remote = levels.flat().reduce((newest, { maxTxid }) => Math.max(newest, maxTxid), 0)
  const waiting = files.find(({ txid }) => txid > remote)
  const lag = waiting ? Math.round((Date.now() - waiting.modified) / 1000) : 0
  return {
    remote_txid: remote === 0 ? null : formatTxid(remote),
    ...(divergence === undefined ? {} : { divergence }),
    lag_seconds: files.length === 0 ? null : Math.max(0, lag),
    levels: levels.map((all, level) => ({
      level,
      files: all.length,
      bytes: all.reduce((sum, { size }) => sum + size, 0),
    })),
  }
}
