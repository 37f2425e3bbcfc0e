import { existsSync, statSync } from 'node:fs'
import { openConfiguredReplica } from '../../config/open-configured-replica.js'
import type { Config, DatabaseConfig } from '../../config/types.js'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { listLevels } from '../../levels/plan.js'
import { compactionOf } from '../../primary/compaction-of.js'
import type { PrimaryEvents } from '../../primary/events.js'
import { Replicator } from '../../primary/replicator.js'
import type { ReplicatorStatus, SyncResult } from '../../primary/replicator-status.js'
import { restore } from '../../restore/restore.js'
import type { DatabaseState, DatabaseSummary } from '../../status/document.js'
import { LagHistory } from '../../status/lag-history.js'
import type { DatabaseMetrics } from '../../status/metrics/database-metrics.js'
import { instrumentClient } from '../../status/metrics/instrumented-client.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { formatDuration } from '../../util/duration.js'
import type { Logger } from '../../util/logger.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { logPrimaryEvent } from './primary-log.js'

export interface ManagedDatabaseOptions {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: DatabaseMetrics
}

/** Between two attempts to reach a replica, milliseconds: from the first on as long as it has been away already. */
const CONNECT_RETRY_FIRST = 1000
const CONNECT_RETRY_MOST = 60_000

/** Failures to open a replica that may pass by themselves. */
const PASSING = ['UNAVAILABLE', 'TIMEOUT', 'THROTTLED'] as const

/** A listing of the replica is asked for at most this often, milliseconds: each costs a request per level. */
const CENSUS_AGE = 60_000

/** One database of a daemon: its replication, started and stopped on demand, and what is known about it. */
export class ManagedDatabase {
  readonly config: DatabaseConfig
  readonly lagHistory = new LagHistory()
  readonly #options: ManagedDatabaseOptions
  readonly #logger: Logger
  #replicator: Replicator | undefined
  /** Set while the replica cannot be reached and is tried again. */
  #retry: Timer | undefined
  #starting: Promise<void> | undefined
  #client: ReplicaClient | undefined
  #lastTxid = 0
  /** When each TXID that is not in the replica yet was made. */
  readonly #pending = new Map<number, number>()
  readonly #failing = new Map<string, { message: string; since: number }>()
  #census: { at: number; levels: LtxFileInfo[][] } | undefined
  #counting: Promise<LtxFileInfo[][]> | undefined

  constructor(config: DatabaseConfig, options: ManagedDatabaseOptions) {
    this.config = config
    this.#options = options
    this.#logger = options.logger.child({ db: config.path })
  }

  get path(): string {
    return this.config.path
  }

  get replicator(): Replicator | undefined {
    return this.#replicator
  }

  get state(): DatabaseState {
    if (this.#retry) return 'open'
    const state = this.#replicator?.status().state
    if (state === undefined || state === 'closed' || state === 'refused') return 'stopped'
    return state === 'waiting' ? 'open' : state
  }

  /** Opens the replica and begins to replicate; a database that is not there yet is waited for. `monitor: false`: on demand only. */
  async start(options: { readonly monitor?: boolean } = {}): Promise<void> {
    if (this.running) return
    try {
      this.#starting = this.#start(options)
      await this.#starting
      this.#failing.delete('connect')
    } catch (error) {
      if (options.monitor === false || !isLitestreamError(error, ...PASSING)) throw error
      this.#startLater(error, options)
    } finally {
      this.#starting = undefined
    }
  }

  /** Whether it is to be replicated, also while the replica cannot be reached. */
  get running(): boolean {
    return this.#replicator !== undefined || this.#retry !== undefined || this.#starting !== undefined
  }

  /** A store that is away when the process starts may be back in a moment, and other databases need not wait for it. */
  #startLater(error: LitestreamError, options: { readonly monitor?: boolean }): void {
    const since = this.#failing.get('connect')?.since ?? Date.now()
    this.#failing.set('connect', { message: error.message, since })
    const wait = Math.min(CONNECT_RETRY_MOST, Math.max(CONNECT_RETRY_FIRST, Date.now() - since))
    const { message, code, hint } = error
    this.#logger.error({ error: message, code, hint, retry: formatDuration(wait) }, 'cannot reach the replica')
    this.#retry = startTimer(wait, () => {
      this.#retry = undefined
      this.start(options).catch((cause: Error) => {
        this.#failing.set('connect', { message: cause.message, since })
        this.#logger.error({ error: cause.message }, 'cannot open the replica')
      })
    })
  }

  async #start(options: { readonly monitor?: boolean }): Promise<void> {
    const { config } = this
    const { path, replica } = config
    const client = await openConfiguredReplica(config)
    this.#client = instrumentClient(client, this.#options.metrics)
    this.#logger.info({ type: client.type, replica: client.url }, 'replicating to')
    if (config.restoreIfDbNotExists) await this.#restoreIfMissing(this.#client)
    this.#replicator = new Replicator(
      path,
      this.#client,
      {
        metaPath: config.metaPath,
        busyTimeout: config.busyTimeout,
        monitorInterval: config.monitorInterval,
        checkpointInterval: config.checkpointInterval,
        minCheckpointPages: config.minCheckpointPageCount,
        truncatePages: Math.max(0, config.truncatePageN),
        maxSyncWalBytes: config.maxSyncWalBytes,
        syncInterval: replica.syncInterval,
        maxSyncLtxFiles: replica.maxSyncLtxFiles,
        shutdownSyncTimeout: this.#options.config.shutdownSyncTimeout,
        shutdownSyncInterval: this.#options.config.shutdownSyncInterval,
        lease: config.lease,
        leaseTtl: config.leaseTtl,
        compaction: options.monitor === false ? false : this.#options.config,
      },
      (name, event) => this.#observe(name, event),
    )
    if (options.monitor !== false) this.#replicator.start()
  }

  /** Writes a snapshot unless the newest is of this state already, and deletes what retention allows; for a database that was synced. */
  async maintain(tasks: { readonly snapshot?: boolean; readonly retention?: boolean }): Promise<void> {
    const primary = this.#replicator?.primary
    if (!primary || !this.#client) return
    const compaction = compactionOf(primary, this.#client, this.#options.config, (name, event) =>
      this.#observe(name, event),
    )
    try {
      if (tasks.snapshot && !(await compaction.snapshot()))
        this.#logger.info('the newest snapshot is of this state already')
      if (tasks.retention) await compaction.enforceRetention()
    } finally {
      await compaction.stop()
    }
  }

  /** The last TXID this process knows of; kept when it is stopped. */
  get lastTxid(): number {
    return this.#replicator?.status().txid ?? this.#lastTxid
  }

  /** A last sync, then lets go of database and replica. Throws, after it has let go, if the sync failed. */
  async stop(signal?: AbortSignal): Promise<void> {
    // Whoever started it is told of a failure; here it only matters that it is over.
    await this.#starting?.catch(() => undefined)
    this.#retry?.stop()
    this.#retry = undefined
    const replicator = this.#replicator
    this.#replicator = undefined
    this.#pending.clear()
    this.#failing.clear()
    try {
      await replicator?.close(signal)
    } finally {
      this.#lastTxid = replicator?.status().txid ?? this.#lastTxid
    }
  }

  async sync(wait: boolean): Promise<SyncResult> {
    if (!this.#replicator) {
      throw new LitestreamError('REPLICA_CLOSED', `database is not open: ${this.path}`, {
        file: this.path,
        hint: `litestream-ts start ${this.path}`,
      })
    }
    return this.#replicator.sync({ wait })
  }

  async #restoreIfMissing(client: ReplicaClient): Promise<void> {
    if (existsSync(this.path)) return
    const started = performance.now()
    const result = await restore(client, {
      output: this.path,
      ifDbNotExists: true,
      ifReplicaExists: true,
      onProgress: ({ phase }) => {
        if (phase === 'wait') this.#logger.info('waiting for another process that restores the database')
      },
    })
    if (result.status === 'no-replica') {
      this.#logger.info('no replica to restore from, waiting for the database')
      return
    }
    if (result.status === 'output-exists') {
      this.#logger.info('database exists')
      return
    }
    for (const warning of result.warnings) this.#logger.warn({ integrity: result.integrity?.outcome }, warning)
    this.#options.metrics.restored(this.path, (performance.now() - started) / 1000)
    this.#logger.info({ txid: result.txid, bytes: result.bytes }, 'database restored')
  }

  #observe<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]): void {
    this.#options.metrics.observe(name, event)
    logPrimaryEvent(this.#logger, name, event, String(this.config.replica.url))
    const any = event as PrimaryEvents[keyof PrimaryEvents] & { txid?: number }
    if (name === 'sync') this.#pending.set(any.txid!, Date.now())
    if (name === 'upload') for (const txid of this.#pending.keys()) if (txid <= any.txid!) this.#pending.delete(txid)
    if (name === 'error') {
      const { operation, error } = event as PrimaryEvents['error']
      const since = this.#failing.get(operation)?.since ?? Date.now()
      // Compaction that fails leaves the replica longer than it should be, not behind.
      if (operation !== 'compaction') this.#failing.set(operation, { message: error.message, since })
    }
    if (name === 'recover') this.#failing.delete((event as PrimaryEvents['recover']).operation)
  }

  /** Notes how far behind the replica is; called at LagHistory's interval. */
  sample(): void {
    this.lagHistory.add(Date.now(), this.summary().lagMs)
  }

  summary(): DatabaseSummary {
    const status: ReplicatorStatus | undefined = this.#replicator?.status()
    const [error] = [...this.#failing.values()].sort((a, b) => a.since - b.since)
    const oldest = Math.min(...this.#pending.values(), error?.since ?? Number.POSITIVE_INFINITY)
    const pageSize = status?.pageSize ?? 0
    return {
      path: this.path,
      state: this.state,
      replicaType: this.config.replica.type,
      replica: this.#client?.url ?? String(this.config.replica.url),
      txid: status?.txid ?? 0,
      replicaTxid: status?.replicaTxid,
      lastSyncAt: status?.lastSyncAt,
      lagMs: Number.isFinite(oldest) ? Math.max(0, Date.now() - oldest) : 0,
      databaseSize: statSync(this.path, { throwIfNoEntry: false })?.size ?? 0,
      walSize: status?.walFrames ? 32 + status.walFrames * (24 + pageSize) : 0,
      error,
    }
  }

  /** The files of the replica by level, not older than a minute. Throws what the store throws. */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    if (!this.#client || !this.#replicator) return []
    if (this.#census && Date.now() - this.#census.at < CENSUS_AGE) return this.#census.levels
    this.#counting ??= listLevels(this.#client)
    try {
      const levels = await this.#counting
      this.#census = { at: Date.now(), levels }
      return levels
    } finally {
      this.#counting = undefined
    }
  }
}
