import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { findDatabases } from '../../config/directories.js'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { DatabaseConfig } from '../../config/types.js'
import { type ErrorCode, toLitestreamError } from '../../errors.js'
import { pendingDivergence, readDivergences } from '../../levels/divergence-record.js'
import { divergenceHint, divergenceText } from '../../levels/divergence-text.js'
import { listLevels } from '../../levels/plan.js'
import { parseFileName } from '../../ltx/file-name.js'
import { formatTxid } from '../../ltx/txid.js'
import { metaDirectory } from '../../primary/sync/staging.js'
import { StateFile } from '../../primary/sync/state-file.js'
import type { DatabaseFault } from '../../status/document.js'
import { databaseVerdict, type Verdict } from '../../status/verdict.js'
import { formatDecimalBytes } from '../../util/format-bytes.js'
import { withDeadline } from '../../util/wait.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { print, printError, printJson, printTable } from '../output.js'
import { askProcess, type ProcessHealth } from '../process-health.js'
import { findDatabase } from '../target.js'

/** Time limit for listing a replica, in milliseconds. */
const LISTING_MS = 30_000

interface StatusFlags extends ConfigFlags {
  readonly json?: boolean
  readonly local?: boolean
}

interface Status {
  readonly database: string
  /** One of Litestream's terms: ok, not initialized, no database, error. */
  readonly status: string
  readonly local_txid: string
  /** Text for users, as in Litestream: `16 kB`. */
  readonly wal_size: string
  /** Bytes. */
  readonly wal_bytes: number
  readonly remote_txid?: string | null
  readonly lag_seconds?: number | null
  readonly levels?: readonly { readonly level: number; readonly files: number; readonly bytes: number }[]
  readonly error?: string
  readonly error_code?: ErrorCode
  /**
   * The database does not continue the replica's previous state, and no user has acknowledged that.
   */
  readonly divergence?: string
}

export function statusCommand(): Command {
  const command = createCommand('status', {
    summary: 'Show the replication status of each database.',
    description:
      'Shows the status of the configured databases: the last local TXID and the last one in the replica, the age of the oldest commit that is not in the replica, the size of the WAL and the number of files of each level. Reads local files and lists the replica; needs no running process. Status is ok, not initialized (never replicated from this machine), no database, or error. If a process runs with this configuration and has a control socket or an HTTP address, the faults that it reports follow: databases, listeners, directories, unreadable files. Exit status: 0 if every database is ok by the rule of /healthz, otherwise 1.',
    examples: [
      ['status', 'all databases of /etc/litestream.yml'],
      ['status -local -config litestream.yml', 'without listing the replicas'],
      [
        'status -json /var/lib/app.db',
        '[{"database", "status", "local_txid", "wal_size", "wal_bytes", "remote_txid", "lag_seconds", "levels"}]',
      ],
    ],
  })
  return addConfigFlags(command)
    .argument('[db]', 'path of a configured database; default: all')
    .option('--local', 'do not list the replicas')
    .option('--json', 'print JSON')
    .action(async (db: string | undefined, flags: StatusFlags) => {
      const config = await configOf(flags)
      const { databases, faults } =
        db === undefined ? findDatabases(config) : { databases: [findDatabase(config, db)], faults: [] }
      const [all, asked] = await Promise.all([
        Promise.all(databases.map((database) => statusOf(database, flags.local === true))),
        askProcess(config),
      ])
      if (flags.json) printJson(all)
      else printStatus(all)
      const show = flags.json ? printError : print
      for (const { path: at, error } of faults) show(`${at}: ${error.message}`)
      const isWell = showProcess(asked, db === undefined ? undefined : databases[0]!.path, show)
      if (!isWell || faults.length > 0 || all.some((status, i) => !verdictOf(status, databases[i]!).ok))
        throw new ExitStatus(1)
    })
}

/** Printed instead of a missing TXID, as in Litestream. */
const NO_TXID = '-'

function walSize(bytes: number): Pick<Status, 'wal_size' | 'wal_bytes'> {
  return { wal_size: formatDecimalBytes(bytes), wal_bytes: bytes }
}

function printStatus(all: readonly Status[]): void {
  printTable(
    ['database', 'status', 'local txid', 'wal size', 'replica txid', 'lag', 'files per level'],
    all.map((status) => [
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
    ]),
  )
  for (const { database, error, divergence } of all) {
    for (const line of [error && `${database}: ${error}`, divergence]) {
      if (!line) continue
      print('')
      print(line)
    }
  }
}

/** The verdict of /healthz, based on the local files and the listing. */
function verdictOf(
  { database, status, lag_seconds, error, error_code: code = 'INTERNAL', divergence }: Status,
  { allowMissing }: Pick<DatabaseConfig, 'allowMissing'>,
): Verdict {
  const fault: DatabaseFault | undefined = error
    ? { operation: 'open', message: error, code, hint: undefined, since: 0, ageMs: 0, retried: false }
    : undefined
  return databaseVerdict({
    path: database,
    state: 'replicating',
    lagMs: (lag_seconds ?? 0) * 1000,
    missingMs: status === 'no database' && !allowMissing ? Number.POSITIVE_INFINITY : undefined,
    error: fault,
    divergence,
  })
}

/**
 * Prints the faults that the running process reports, of one database or of all. Returns whether it
 * reports none.
 */
function showProcess(
  { health, silent }: ProcessHealth,
  only: string | undefined,
  show: (line: string) => void,
): boolean {
  for (const line of silent) show(line)
  const databases = health?.databases.filter(({ path: at, ok }) => !ok && (only === undefined || at === only)) ?? []
  for (const { path: at, state, reason } of databases) show(`${at} [${state}]: ${reason}`)
  for (const { path: at, weak_fencing: weak } of health?.databases ?? []) {
    if (weak && (only === undefined || at === only)) show(`${at}: weaker fencing: ${weak}`)
  }
  const parts = only === undefined ? (health?.parts ?? []) : []
  for (const { part, name, error } of parts) show(`${part} ${name}: ${error}`)
  return databases.length === 0 && parts.every(({ ok }) => ok)
}

/** A staged L0 file with its time of writing, in milliseconds since the epoch. */
interface LocalFile {
  readonly txid: number
  readonly modified: number
}

/** The staged L0 files of the database, ascending; empty if none was ever made. */
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

/** The status from the local files; an error if one cannot be read. */
async function statusOf(database: DatabaseConfig, local: boolean): Promise<Status> {
  let known: Status = { database: database.path, status: 'error', local_txid: NO_TXID, ...walSize(0) }
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

function localStatus({ path: file, metaPath }: DatabaseConfig, files: readonly LocalFile[]): Status {
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

async function remoteStatus(database: DatabaseConfig, files: readonly LocalFile[]): Promise<Partial<Status>> {
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
