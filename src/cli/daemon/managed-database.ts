import { existsSync } from 'node:fs'
import type { Config, DatabaseConfig } from '../../config/types.js'
import { LitestreamError } from '../../errors.js'
import type { Divergence } from '../../levels/divergence-record.js'
import { divergenceHint, divergenceText } from '../../levels/divergence-text.js'
import { formatTxid } from '../../ltx/txid.js'
import { compactionOf } from '../../primary/compaction-of.js'
import type { PrimaryEvents, PrimaryObserver } from '../../primary/events.js'
import type { Replicator } from '../../primary/replicator.js'
import type { ReplicatorStatus, SyncOptions, SyncResult } from '../../primary/replicator-status.js'
import { asReplicationError } from '../../primary/source/database-error.js'
import type { DatabaseImage } from '../../primary/sync/database-image.js'
import type {
  DatabaseFault,
  DatabaseState,
  DatabaseSummary,
  ProofStatus,
  RequestStatus,
} from '../../status/document.js'
import type { ProcessEvent } from '../../status/event-streams.js'
import type { DatabaseMetrics } from '../../status/metrics/database-metrics.js'
import { type Condition, databaseVerdict } from '../../status/verdict.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import { retryDelay } from '../../util/back-off.js'
import { formatDuration } from '../../util/duration.js'
import { GrowingInterval } from '../../util/growing-interval.js'
import type { Logger } from '../../util/logger.js'
import { monotonicMs } from '../../util/monotonic.js'
import { pause } from '../../util/pause.js'
import { guarded, startTimer, type Timer } from '../../util/timers.js'
import type { WaitOptions } from '../../util/wait.js'
import { DatabaseActivity } from './database-activity.js'
import { DatabaseFaults } from './database-faults.js'
import { DatabaseFile } from './database-file.js'
import { errorFields, eventOf } from './event-of.js'
import { DatabaseMirrors } from './mirrors.js'
import { type OpenedDatabase, openDatabase } from './open-database.js'
import type { PartFaults } from './part-faults.js'
import { PendingCommits } from './pending-commits.js'
import { logPrimaryEvent } from './primary-log.js'
import { ReplicaCensus } from './replica-census.js'

export interface ManagedDatabaseOptions {
  readonly config: Config
  readonly logger: Logger
  /** The metrics of the databases, or undefined if the daemon serves no metrics. */
  readonly metrics: DatabaseMetrics | undefined
  readonly faults: PartFaults
  /** Receives the events of the database. Must not throw. */
  readonly publish: (event: ProcessEvent) => void
}

export interface StartOptions {
  /**
   * If `monitor` is false, the database is synced only on request. If `monitor` is false and the
   * replica cannot be opened, `start` throws the error and does not retry. The default of `monitor`
   * is true.
   */
  readonly monitor?: boolean
  /**
   * Returns true for those errors of opening the replica that `start` must throw. After any other
   * error, `start` tries to open the replica again. Without `throws`, `start` tries again after
   * every error.
   */
  readonly throws?: (error: LitestreamError) => boolean
}

/** Shortest and longest wait in milliseconds before a failed opening of a replica is repeated. */
const RETRY_FIRST_MS = 1000
const RETRY_MOST_MS = 60_000

/** Milliseconds for which stop() waits until an aborted opening ends. */
const OPENING_ENDS_MS = 5_000

/**
 * Starts and stops the replication of one database of a daemon, and reports the state of the
 * database.
 */
export class ManagedDatabase {
  readonly config: DatabaseConfig
  /** The activity of the database, or undefined if the daemon serves no status page. */
  readonly activity: DatabaseActivity | undefined
  readonly #options: ManagedDatabaseOptions
  readonly #logger: Logger
  readonly #faults = new DatabaseFaults()
  readonly #pending = new PendingCommits()
  readonly #file: DatabaseFile
  readonly #mirrors: DatabaseMirrors
  #proof: ProofStatus | undefined
  #opened: OpenedDatabase | undefined
  /** Time from `monotonicMs()` at which the replica was opened. */
  #openedAt = 0
  #census: ReplicaCensus | undefined
  /** The controller whose signal `stop` aborts, or undefined while the database is stopped. */
  #life: AbortController | undefined
  #opening: Promise<void> | undefined
  #retry: Timer | undefined
  #attempts = 0
  #last: Pick<ReplicatorStatus, 'txid' | 'replicaTxid' | 'lastSyncAt'> | undefined
  /** The promise that `restored` returns. */
  readonly #needsNoRestore: Promise<void>
  #noRestore = () => {}
  #isRestored = false
  #isMonitored = false
  readonly #reports = new GrowingInterval()
  #unhealthy = false
  #publishedState: DatabaseState = 'stopped'

  constructor(config: DatabaseConfig, options: ManagedDatabaseOptions) {
    this.config = config
    this.#options = options
    this.#logger = options.logger.child({ db: config.path })
    this.activity = options.metrics && new DatabaseActivity()
    this.#file = new DatabaseFile(config.path)
    this.#mirrors = new DatabaseMirrors(config, options.faults, this.#logger, options.publish)
    this.#needsNoRestore = new Promise((resolve) => {
      this.#noRestore = () => {
        this.#isRestored = true
        resolve()
      }
    })
    if (!config.restoreIfDbNotExists || existsSync(config.path)) this.#noRestore()
  }

  get path(): string {
    return this.config.path
  }

  get replicator(): Replicator | undefined {
    return this.#opened?.replicator
  }

  /**
   * Whether the database was started and was not stopped since then. Even while `running` is true,
   * the replica may not be open yet.
   */
  get running(): boolean {
    return this.#life !== undefined
  }

  /** Whether the promise `restored` has resolved. */
  get isRestored(): boolean {
    return this.#isRestored
  }

  /**
   * Resolves when the database file exists, when the file was restored, or when the replica is
   * empty. Resolves immediately if the configuration does not ask for a restore.
   */
  get restored(): Promise<void> {
    return this.#needsNoRestore
  }

  get state(): DatabaseState {
    if (!this.running) return 'stopped'
    const state = this.#opened?.replicator.state
    if (state === undefined) return this.#retry ? 'error' : 'open'
    if (state === 'refused') return 'error'
    if (state === 'closed') return 'stopped'
    return state === 'waiting' || (state === 'replicating' && this.#file.look().missingMs !== undefined)
      ? 'open'
      : state
  }

  /**
   * Opens the replica and starts replication. If the opening fails, logs the error and retries. If
   * the database file does not exist, replication begins when the file appears.
   */
  async start(options: StartOptions = {}): Promise<void> {
    if (this.running) return
    this.#life = new AbortController()
    this.#attempts = 0
    this.#publishState()
    await this.#attempt(options, this.#life.signal)
    this.#publishState()
  }

  async #attempt(options: StartOptions, signal: AbortSignal): Promise<void> {
    const opening = this.#open(options, signal)
    this.#opening = opening.catch(() => undefined)
    try {
      await opening
      this.#faults.recovered('open')
      if (this.#attempts > 0) {
        this.#logger.info('replica opened')
        this.#options.publish({ event: 'recover', path: this.path, operation: 'open' })
      }
      this.#attempts = 0
    } catch (error) {
      if (signal.aborted) return
      this.#openFailed(asReplicationError(error, this.path), options, signal)
    } finally {
      this.#opening = undefined
    }
  }

  async #open({ monitor = true }: StartOptions, signal: AbortSignal): Promise<void> {
    const { config, metrics } = this.#options
    // `guarded` catches errors of the observer, because such an error must not stop replication.
    const observe: PrimaryObserver = guarded((name, event) => this.#observe(name, event as never))
    const logger = this.#logger
    const opened = await openDatabase(this.config, { config, metrics, logger, monitor, signal, observe })
    if (signal.aborted) {
      // stop() may not have waited for this opening, so the opening must close its own client.
      metrics?.forgetClient(opened.client)
      await opened.replicator.abandon(signal)
      throw signal.reason
    }
    this.#opened = opened
    this.#isMonitored = monitor
    this.#openedAt = monotonicMs()
    // The primary's client caches its listings, so most calls of `levels` need no request.
    this.#census = new ReplicaCensus(opened.replicator.client)
    if (monitor) this.#mirrors.start()
    this.#noRestore()
  }

  #openFailed(error: LitestreamError, options: StartOptions, signal: AbortSignal): void {
    const { monitor = true, throws = () => false } = options
    if (!monitor || throws(error)) {
      this.#life = undefined
      this.#faults.failed('open', error, false)
      throw error
    }
    const wait = retryDelay(++this.#attempts, RETRY_FIRST_MS, RETRY_MOST_MS)
    this.#faults.failed('open', error, true)
    this.activity?.errors.add('open', error)
    const { message, code, hint } = error
    const fields = { error: message, code, hint, failures: this.#attempts, retry: formatDuration(wait) }
    this.#logger.error(fields, 'cannot open the replica')
    this.#options.publish({
      event: 'error',
      path: this.path,
      operation: 'open',
      ...errorFields(error),
      failures: this.#attempts,
      retry_ms: Math.round(wait),
    })
    this.#retry = startTimer(wait, () => {
      this.#retry = undefined
      return this.#attempt(options, signal)
    })
  }

  /**
   * Maintains the replica of a synced database. If `snapshot` is true, writes a snapshot unless the
   * newest snapshot already has the current TXID. If `retention` is true, deletes files according
   * to the retention settings.
   */
  async maintain(tasks: { readonly snapshot?: boolean; readonly retention?: boolean }): Promise<void> {
    const primary = this.replicator?.primary
    if (!primary || !this.#opened) return
    const compaction = compactionOf(primary, this.#opened.client, this.#options.config, (name, event) =>
      this.#observe(name, event),
    )
    try {
      if (tasks.snapshot && !(await compaction.snapshot()))
        this.#logger.info('the newest snapshot already contains the newest TXID')
      if (tasks.retention) await compaction.enforceRetention()
    } finally {
      await compaction.stop()
    }
  }

  /** The highest known TXID of the database. `lastTxid` is also available after `stop`. */
  get lastTxid(): number {
    // A replicator that has not opened the database yet returns TXID 0.
    return this.replicator?.status().txid || this.#last?.txid || 0
  }

  /**
   * Cancels a running opening, syncs a final time, and closes the database and the replica. Returns
   * the condition that `finalVerdict` judges. If the final sync failed, closes the database and the
   * replica before throwing the error. If `sync` is false, omits the final sync.
   */
  async stop(signal?: AbortSignal, { sync = true }: { readonly sync?: boolean } = {}): Promise<Condition> {
    const before = this.#condition()
    const wasRunning = this.running
    this.#life?.abort(new LitestreamError('ABORTED', `${this.path}: replication was stopped`))
    this.#life = undefined
    this.#retry?.stop()
    this.#retry = undefined
    await this.#openingEnded()
    await this.#mirrors.stop()
    const opened = this.#opened
    this.#opened = undefined
    this.#census = undefined
    try {
      if (!opened) return wasRunning && !before.error ? { ...before, error: interrupted(this.path) } : before
      // A standby has no staged files to upload.
      if (!sync || before.state === 'standby') await opened.replicator.abandon(signal)
      else await opened.replicator.close(signal)
      const { state } = before
      return { ...before, error: state === 'fenced' || state === 'error' ? before.error : undefined }
    } finally {
      if (opened) {
        this.#last = opened.replicator.status()
        this.#options.metrics?.forgetClient(opened.client)
      }
      this.#pending.clear()
      this.#faults.clear()
      this.#publishState()
    }
  }

  /**
   * Waits at most OPENING_ENDS_MS for the end of an aborted opening. If the opening ends later, it
   * closes the replica itself.
   */
  async #openingEnded(): Promise<void> {
    const enough = new AbortController()
    await Promise.race([this.#opening, pause(OPENING_ENDS_MS, enough.signal)])
    enough.abort()
  }

  async sync(options: SyncOptions): Promise<SyncResult> {
    if (this.replicator) return this.replicator.sync(options)
    throw this.#notOpen()
  }

  #observe<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]): void {
    this.#options.metrics?.observe(name, event)
    this.activity?.observe(name, event)
    logPrimaryEvent(this.#logger, name, event, String(this.config.replica.url))
    const published = eventOf(this.path, name, event)
    if (published) this.#options.publish(published)
    const any = event as PrimaryEvents[keyof PrimaryEvents] & { txid?: number }
    if (name === 'sync') this.#pending.add(any.txid!)
    if (name === 'upload') this.#pending.uploaded(any.txid!)
    if (name === 'upload' || name === 'compaction') this.#mirrors.changed()
    if (name === 'rejoin') this.#pending.continueAfter(any.txid!)
    if (name === 'error') {
      const { operation, error, retryMs } = event as PrimaryEvents['error']
      this.#faults.failed(operation, error, retryMs !== undefined)
    }
    if (name === 'recover') this.#faults.recovered((event as PrimaryEvents['recover']).operation)
    this.#publishState()
  }

  /** Publishes an event if the state of the database has changed. */
  #publishState(): void {
    const { state } = this
    if (state === this.#publishedState) return
    this.#options.publish({ event: 'state', path: this.path, state, previous: this.#publishedState })
    this.#publishedState = state
  }

  /**
   * Records the lag and the activity of the database. The daemon calls `sample` at the interval of
   * LagHistory.
   */
  sample(): void {
    if (this.replicator?.isSettled && !this.#unhealthy && !this.#faults.worst()) {
      // If the database is idle, its lag is 0, and only the request counters can have changed.
      this.activity?.sample(0, this.#opened?.client)
      return
    }
    const status = this.replicator?.status()
    const condition = this.#condition(status)
    this.activity?.sample(condition.lagMs, this.#opened?.client)
    this.#publishState()
    this.#reportUnhealthy(condition, status)
  }

  /** Logs a warning, at growing intervals, while the database is not replicated. */
  #reportUnhealthy(condition: Condition, status: ReplicatorStatus | undefined): void {
    const { ok, reason } = databaseVerdict(condition)
    if (ok) {
      if (this.#unhealthy) this.#logger.info('the database is replicated again')
      this.#unhealthy = false
      this.#reports.reset()
    } else if (this.#reports.due()) {
      this.#unhealthy = true
      const divergence = status?.divergence && divergenceHint(status.divergence, status.replica)
      const hint = condition.error?.hint ?? divergence
      this.#logger.warn({ reason, ...(hint === undefined ? {} : { hint }) }, 'the database needs attention')
    }
  }

  /**
   * Records in the replica that a user has acknowledged its divergences. Returns the divergences
   * that were not acknowledged before. Throws REPLICA_CLOSED while the replica is not open, and
   * errors of the store.
   */
  async acknowledge(waiting: WaitOptions): Promise<readonly Divergence[]> {
    if (this.replicator) return this.replicator.acknowledge(waiting)
    throw this.#notOpen()
  }

  #notOpen(): LitestreamError {
    return new LitestreamError('REPLICA_CLOSED', `database is not open: ${this.path}`, {
      file: this.path,
      hint: `Run \`litestream-ts start ${this.path}\`.`,
    })
  }

  #condition(status = this.replicator?.status()): Condition {
    const { missingMs } = this.#file.look()
    const lagMs = Math.max(this.#pending.ageMs, this.#faults.delayMs)
    const { state } = this
    return {
      path: this.path,
      state,
      lagMs,
      missingMs: this.running && !this.config.allowMissing ? missingMs : undefined,
      error: this.#faults.worst(),
      behindMs: this.#isMonitored && state === 'replicating' ? status?.behindMs : undefined,
      divergence: status?.divergence && divergenceText(status.divergence, status.replica),
      weakFencing: status?.weakFencing,
    }
  }

  /** Returns the status of the database. Never throws. */
  summary(): DatabaseSummary {
    const status = this.replicator?.status()
    const { state, lagMs, missingMs, error, behindMs, divergence } = this.#condition(status)
    const pageSize = status?.pageSize ?? 0
    return {
      path: this.path,
      state: state as DatabaseState,
      replicaType: this.config.replica.type,
      replica: this.#opened?.client.url ?? String(this.config.replica.url),
      txid: status?.txid ?? this.#last?.txid ?? 0,
      replicaTxid: status?.replicaTxid ?? this.#last?.replicaTxid,
      lastSyncAt: status?.lastSyncAt ?? this.#last?.lastSyncAt,
      lagMs,
      databaseSize: this.#file.look().size,
      walSize: status?.walFrames ? 32 + status.walFrames * (24 + pageSize) : 0,
      missingMs,
      behindMs,
      divergence,
      divergenceHint: status?.divergence && divergenceHint(status.divergence, status.replica),
      ownWrites: status?.ownWrites ?? 0,
      error,
      proof: this.#proof,
      weakFencing: status?.weakFencing,
      mirrors: this.#mirrors.status(status?.replicaTxid ?? this.#last?.replicaTxid ?? 0),
    }
  }

  /** Returns the checksums of all pages at one TXID, as PrimaryDatabase.image does. */
  async image(maxBytes: number): Promise<DatabaseImage | undefined> {
    return this.replicator?.primary?.image(maxBytes)
  }

  /** Records that a scheduled restore of the replica succeeded. */
  proved(proof: ProofStatus): void {
    this.#proof = proof
    this.#faults.recovered('proof')
    const { txid, durationMs } = proof
    this.#options.publish({
      event: 'proof',
      path: this.path,
      ok: true,
      txid: formatTxid(txid),
      duration_ms: Math.round(durationMs),
    })
    this.#options.metrics?.proved(this.path, proof)
  }

  /**
   * Records that a scheduled restore of the replica failed. The database is unhealthy until a
   * scheduled restore succeeds.
   */
  notProved(error: LitestreamError): void {
    this.#faults.failed('proof', error, true)
    this.activity?.errors.add('proof', error)
    this.#options.publish({ event: 'proof', path: this.path, ok: false, ...errorFields(error) })
    this.#options.metrics?.proved(this.path, error)
  }

  /** Runs one pass of every mirror. Throws the first error after all passes have ended. */
  async mirrorOnce(signal: AbortSignal): Promise<void> {
    await this.#mirrors.once(signal)
  }

  /**
   * Returns the files of the replica, grouped by level. The returned listing is at most one minute
   * old. Throws the errors of the store. Returns no levels while the replica is not open.
   */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    return this.#census ? this.#census.levels() : []
  }

  /**
   * Returns the requests to the store, or undefined if the replica is not open or the daemon serves
   * no status page.
   */
  requests(): RequestStatus | undefined {
    return this.#opened && this.activity?.requests(this.#opened.client, this.#openedAt)
  }
}

/**
 * Returns the fault of a database that was stopped before its replica was opened. The database's
 * newest commits are not in the replica.
 */
function interrupted(path: string): DatabaseFault {
  const message = `${path}: stopped before the replica was opened`
  const hint = 'Start the replication again: `litestream-ts start`.'
  return { operation: 'open', message, code: 'ABORTED', hint, since: Date.now(), ageMs: 0, retried: false }
}
