import { nextWindow } from '../../compaction/window.js'
import { DEFAULTS } from '../../config/defaults.js'
import type { Config } from '../../config/types.js'
import { SNAPSHOT_LEVEL } from '../../ltx/format.js'
import { newestRestorable } from '../../mirror/retention.js'
import type { DatabaseStatus, DatabaseSummary, SnapshotStatus, StatusSource } from '../../status/document.js'
import { databaseVerdict, stateLabel } from '../../status/verdict.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import { shellWord } from '../../util/shell-word.js'
import { version } from '../../version.js'
import type { Daemon } from './daemon.js'
import type { DaemonMetrics } from './daemon-metrics.js'
import type { ManagedDatabase } from './managed-database.js'

/**
 * Maximum number of files that the status page shows per level. If a level has more files, the page
 * shows the newest ones.
 */
const MAX_FILES = 500

type Levels = readonly (readonly LtxFileInfo[])[]

/** Provides the data of a daemon to the status server. */
export function daemonSource(daemon: Daemon, metrics: DaemonMetrics): StatusSource {
  return {
    metricsType: metrics.contentType,
    events: daemon.events,
    metrics: () => metrics.text(daemon),
    health: (maxLag) => daemon.health(maxLag),
    async status(details) {
      const wanted = details && new Set(details)
      const statusOf = (database: ManagedDatabase) =>
        databaseStatus(database, daemon.config, wanted?.has(database.path) ?? true)
      const databases = await Promise.all(daemon.databases.map(statusOf))
      const { status } = daemon.health(null)
      const parts = daemon.faults.list()
      return { version, startedAt: daemon.startedAt, now: Date.now(), health: status, databases, replicas: [], parts }
    },
    onError: (url, error) => daemon.logger.error({ url, error: error.message }, 'request failed'),
  }
}

async function databaseStatus(database: ManagedDatabase, config: Config, detailed: boolean): Promise<DatabaseStatus> {
  const summary = database.summary()
  let levels: Levels = []
  let levelsError: string | undefined
  try {
    levels = await database.levels()
  } catch (error) {
    levelsError = (error as Error).message
  }
  const verdict = databaseVerdict(summary)
  const { ok, reason } = verdict
  const { activity } = database
  return {
    ...summary,
    ok,
    reason,
    hint: summary.error?.hint ?? (ok ? undefined : (summary.divergenceHint ?? verdict.hint)),
    label: stateLabel(summary, verdict),
    lagHistory: (detailed && activity?.lags) || [],
    samples: (detailed && activity?.samples) || [],
    activity: activity?.status() ?? NO_ACTIVITY,
    requests: database.requests(),
    restorable: restorableOf(levels, summary),
    restoreCommand: restoreCommand(summary, config),
    snapshots: snapshotsOf(levels, summary, config),
    proofInterval: config.restoreProof?.interval,
    recentErrors: activity?.errors.list() ?? [],
    levels: levels.map((files, level) => levelStatus(files, level, detailed)),
    levelsError,
  }
}

const NO_ACTIVITY = {
  syncs: 0,
  walBytes: 0,
  uploads: 0,
  uploadedBytes: 0,
  uploadMs: { p50: undefined, p95: undefined },
  lastUpload: undefined,
}

function levelStatus(files: readonly LtxFileInfo[], level: number, detailed: boolean) {
  const sum = { bytes: 0, maxTxid: 0, oldest: Number.POSITIVE_INFINITY, latest: 0 }
  for (const { size, maxTxid, createdAt } of files) {
    sum.bytes += size
    sum.maxTxid = Math.max(sum.maxTxid, maxTxid)
    sum.oldest = Math.min(sum.oldest, createdAt)
    sum.latest = Math.max(sum.latest, createdAt)
  }
  return {
    level,
    files: files.length,
    ...sum,
    oldest: files.length === 0 ? 0 : sum.oldest,
    minTxid: files[0]?.minTxid ?? 0,
    newest: detailed ? files.slice(-MAX_FILES).map((f) => [f.minTxid, f.maxTxid, f.size, f.createdAt] as const) : [],
  }
}

type Restorable = NonNullable<DatabaseStatus['restorable']>

/**
 * Caches the result of `judge` for each listing, because `judge` processes the whole listing, and
 * each listing is used for a minute.
 */
const restorable = new WeakMap<Levels, Restorable | 'nothing'>()

function restorableOf(levels: Levels, { replicaTxid = 0, lastSyncAt = 0 }: DatabaseSummary): Restorable | undefined {
  const listed = restorable.get(levels) ?? judge(levels) ?? 'nothing'
  restorable.set(levels, listed)
  if (listed === 'nothing') return undefined
  // The listing may be up to a minute old. The primary itself knows the newest TXID that it has
  // uploaded.
  const isOlder = replicaTxid > listed.to.txid && lastSyncAt > listed.to.timestamp
  return isOlder ? { ...listed, to: { txid: replicaTxid, timestamp: lastSyncAt } } : listed
}

/**
 * Determines the earliest and the newest restorable state from the names and times in the listing,
 * without reading files.
 */
function judge(levels: Levels): Restorable | undefined {
  let first: LtxFileInfo | undefined
  for (const file of levels.flat()) {
    if (file.minTxid === 1 && (!first || file.maxTxid < first.maxTxid)) first = file
  }
  const newest = newestRestorable(levels)
  if (!first || !newest) return undefined
  const state = ({ maxTxid, createdAt }: LtxFileInfo) => ({ txid: maxTxid, timestamp: createdAt })
  return { from: state(first), to: state(newest) }
}

function restoreCommand({ path, replica }: DatabaseSummary, { file }: Config): string {
  const words = ['litestream-ts', 'restore']
  if (file !== undefined && file !== DEFAULTS.configPath) words.push('-config', file)
  words.push('-o', `${path}.restored`, file === undefined ? replica : path)
  return words.map(shellWord).join(' ')
}

function snapshotsOf(levels: Levels, { state }: DatabaseSummary, { snapshot }: Config): SnapshotStatus {
  const last = levels[SNAPSHOT_LEVEL]?.at(-1)
  return {
    last: last && { txid: last.maxTxid, at: last.createdAt, bytes: last.size },
    nextAt: state === 'replicating' ? nextWindow(Date.now(), snapshot.interval) : undefined,
  }
}
