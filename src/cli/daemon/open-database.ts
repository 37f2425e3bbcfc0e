import { existsSync } from 'node:fs'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { Config, DatabaseConfig } from '../../config/types.js'
import type { PrimaryObserver } from '../../primary/events.js'
import { Replicator } from '../../primary/replicator.js'
import type { DatabaseMetrics } from '../../status/metrics/database-metrics.js'
import { instrumentClient } from '../../status/metrics/instrumented-client.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import type { Logger } from '../../util/logger.js'
import { monotonicMs } from '../../util/monotonic.js'
import { MAX_DELAY_MS } from '../../util/timers.js'

export interface OpenDatabaseOptions {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: DatabaseMetrics | undefined
  /** If `monitor` is false, the database is synced only on request, and no files are compacted. */
  readonly monitor: boolean
  /**
   * When the signal aborts, the opening of the database ends, including a restore of the database.
   */
  readonly signal: AbortSignal
  readonly observe: PrimaryObserver
}

export interface OpenedDatabase {
  readonly client: ReplicaClient
  readonly replicator: Replicator
}

/**
 * Opens the replica of a database and starts replication. If the configuration says so, first
 * restores a missing database. If an error occurs, closes the replica again.
 */
export async function openDatabase(database: DatabaseConfig, options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const { metrics, logger, signal, monitor, observe } = options
  const plain = await openConfiguredReplica(database, signal, (outage) =>
    observe('outage', { db: database.path, ...outage }),
  )
  const client = metrics ? instrumentClient(plain, metrics) : plain
  try {
    logger.info({ type: client.type, replica: client.url }, 'replicating to')
    if (database.restoreIfDbNotExists) await restoreIfMissing(database.path, client, options)
    signal.throwIfAborted()
    const replicator = new Replicator(database.path, client, replicatorOptions(database, options), observe)
    if (monitor) replicator.start()
    return { client, replicator }
  } catch (error) {
    metrics?.forgetClient(client)
    await client.close()
    throw error
  }
}

function replicatorOptions(database: DatabaseConfig, { config, monitor }: OpenDatabaseOptions) {
  const { replica } = database
  return {
    metaPath: database.metaPath,
    busyTimeout: database.busyTimeout,
    // With the interval 0, the primary reads the WAL only on request, as in Litestream.
    monitorInterval: database.monitorInterval || MAX_DELAY_MS,
    checkpointInterval: database.checkpointInterval,
    minCheckpointPages: database.minCheckpointPageCount,
    truncatePages: Math.max(0, database.truncatePageN),
    maxSyncWalBytes: database.maxSyncWalBytes,
    syncInterval: replica.syncInterval,
    maxSyncLtxFiles: replica.maxSyncLtxFiles,
    shutdownSyncTimeout: config.shutdownSyncTimeout,
    shutdownSyncInterval: config.shutdownSyncInterval,
    lease: database.lease,
    leaseTtl: database.leaseTtl,
    onDivergence: database.onDivergence,
    allowMissing: database.allowMissing,
    compaction: monitor ? config : (false as const),
  }
}

async function restoreIfMissing(path: string, client: ReplicaClient, options: OpenDatabaseOptions): Promise<void> {
  const { logger, metrics, signal } = options
  if (existsSync(path)) return
  const { restore } = await import('../../restore/restore.js')
  const started = monotonicMs()
  const result = await restore(client, {
    output: path,
    ifDbNotExists: true,
    ifReplicaExists: true,
    signal,
    onProgress: ({ phase }) => {
      if (phase === 'wait') logger.info('waiting for another process that restores the database')
    },
  })
  if (result.status === 'no-replica') {
    logger.info('no replica to restore from, waiting for the database')
    return
  }
  if (result.status === 'output-exists') {
    logger.info('database exists')
    return
  }
  for (const warning of result.warnings) logger.warn({ integrity: result.integrity?.outcome }, warning)
  metrics?.restored(path, (monotonicMs() - started) / 1000)
  logger.info({ txid: result.txid, bytes: result.bytes }, 'database restored')
}
