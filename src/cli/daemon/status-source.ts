import type { DatabaseStatus, StatusSource } from '../../status/document.js'
import { databaseVerdict, stateLabel } from '../../status/verdict.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import { version } from '../../version.js'
import type { Daemon } from './daemon.js'
import type { DaemonMetrics } from './daemon-metrics.js'
import type { ManagedDatabase } from './managed-database.js'

/** Maximum number of files shown per level; of more, the newest. */
const MAX_FILES = 500

/** The data of a daemon for the status server. */
export function daemonSource(daemon: Daemon, metrics: DaemonMetrics): StatusSource {
  return {
    metricsType: metrics.contentType,
    events: daemon.events,
    metrics: () => metrics.text(daemon),
    health: (maxLag) => daemon.health(maxLag),
    async status() {
      const databases = await Promise.all(daemon.databases.map(databaseStatus))
      const { status } = daemon.health(null)
      const parts = daemon.faults.list()
      return { version, startedAt: daemon.startedAt, now: Date.now(), health: status, databases, replicas: [], parts }
    },
    onError: (url, error) => daemon.logger.error({ url, error: error.message }, 'request failed'),
  }
}

async function databaseStatus(database: ManagedDatabase): Promise<DatabaseStatus> {
  const summary = database.summary()
  let levels: readonly (readonly LtxFileInfo[])[] = []
  let levelsError: string | undefined
  try {
    levels = await database.levels()
  } catch (error) {
    levelsError = (error as Error).message
  }
  const verdict = databaseVerdict(summary)
  const { ok, reason } = verdict
  return {
    ...summary,
    ok,
    reason,
    label: stateLabel(summary, verdict),
    lagHistory: database.lagHistory.samples,
    levels: levels.map((files, level) => ({
      level,
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      newest: files.slice(-MAX_FILES).map((f) => [f.minTxid, f.maxTxid, f.size, f.createdAt] as const),
    })),
    levelsError,
  }
}
