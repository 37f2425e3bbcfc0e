import PQueue from 'p-queue'
import { ClaimedPlaces } from '../../config/overlaps.js'
import type { Config, DatabaseConfig } from '../../config/types.js'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../errors.js'
import type { DatabaseSummary, Health } from '../../status/document.js'
import { EventStreams } from '../../status/event-streams.js'
import { LagHistory } from '../../status/lag-history.js'
import { finalVerdict, health } from '../../status/verdict.js'
import type { Logger } from '../../util/logger.js'
import { startInterval, type Timer } from '../../util/timers.js'
import { withDeadline } from '../../util/wait.js'
import type { DaemonMetrics } from './daemon-metrics.js'
import { ManagedDatabase, type StartOptions } from './managed-database.js'
import { PartFaults } from './part-faults.js'

/** Number of databases that are opened in parallel. */
const OPEN_CONCURRENCY = 50

/**
 * A database that does not close within shutdown-sync-timeout plus this time is abandoned.
 * Milliseconds.
 */
export const CLOSE_MARGIN_MS = 10_000

/**
 * All databases that one process replicates: opened, monitored and closed together, each with its
 * own errors.
 */
export class Daemon {
  readonly logger: Logger
  readonly startedAt = Date.now()
  /** Failing parts other than databases. */
  readonly faults: PartFaults
  /** The clients that follow the events of the process. */
  readonly events = new EventStreams()
  /** Undefined if no metrics are served. */
  readonly metrics: DaemonMetrics | undefined
  #config: Config
  #places: ClaimedPlaces
  #reload: (() => Promise<object>) | undefined
  readonly #databases = new Map<string, ManagedDatabase>()
  readonly #sampler: Timer
  readonly #openings = new PQueue({ concurrency: OPEN_CONCURRENCY })
  #closing = false

  /** Throws CONFIG_INVALID if the configured paths overlap. */
  constructor(config: Config, logger: Logger, metrics?: DaemonMetrics) {
    this.#config = config
    this.logger = logger
    this.metrics = metrics
    this.faults = new PartFaults(logger, (event) => this.events.publish(event))
    this.#places = new ClaimedPlaces(config)
    for (const database of config.databases) this.#places.add(database)
    this.#sampler = startInterval(LagHistory.INTERVAL, () => {
      for (const database of this.#databases.values()) database.sample()
    }).unref()
  }

  get config(): Config {
    return this.#config
  }

  /**
   * Replaces the configuration: databases that are started from now on use it. Those that run keep
   * theirs.
   */
  configure(config: Config): void {
    this.#config = config
    this.#places = new ClaimedPlaces(config)
    for (const database of this.#databases.values()) this.#places.add(database.config)
  }

  /** `reload` handles requests to read the configuration again. */
  reloadWith(reload: () => Promise<object>): void {
    this.#reload = reload
  }

  /**
   * Reads the configuration again. Throws if the configuration is invalid, or cannot be read again.
   */
  async reload(): Promise<object> {
    if (!this.#reload) throw new LitestreamError('ABORTED', 'the process is starting: it cannot reload yet')
    try {
      const result = await this.#reload()
      this.logger.info({ ...result }, 'configuration reloaded')
      this.events.publish({ event: 'reload', ...result })
      return result
    } catch (error) {
      const { message, code, hint } = toLitestreamError(error)
      this.logger.error({ error: message, code, hint }, 'the configuration was not reloaded: nothing has changed')
      this.events.publish({ event: 'error', operation: 'reload', code, error: message, hint })
      throw error
    }
  }

  get databases(): readonly ManagedDatabase[] {
    return [...this.#databases.values()]
  }

  /**
   * Starts every configured database, and resolves after the first attempt of each. A database that
   * cannot be opened is retried, with its own error. Returns the errors that `options` wants
   * thrown, by the path of the database.
   */
  async open(options: StartOptions = {}): Promise<ReadonlyMap<string, unknown>> {
    const errors = new Map<string, unknown>()
    const databases = this.config.databases.map((database) => this.#manage(database))
    const attempts = databases.map(async (database) => {
      try {
        await this.begin(database, options)
      } catch (error) {
        errors.set(database.path, error)
      }
    })
    await Promise.all(attempts)
    return errors
  }

  /**
   * Starts a database; at most OPEN_CONCURRENCY are opened in parallel. Resolves after its first
   * attempt; see ManagedDatabase.start.
   */
  async begin(database: ManagedDatabase, options: StartOptions = {}): Promise<void> {
    await this.#openings.add(async () => {
      if (!this.#closing) await database.start(options)
    })
  }

  #manage(config: DatabaseConfig): ManagedDatabase {
    const { logger } = this
    const metrics = this.metrics?.databases
    metrics?.add(config.path)
    const database = new ManagedDatabase(config, {
      config: this.config,
      logger,
      metrics,
      faults: this.faults,
      publish: (event) => this.events.publish(event),
    })
    this.#databases.set(config.path, database)
    return database
  }

  /**
   * Registers a database, which `begin` must start; undefined if it is registered already, or the
   * process is ending. Throws CONFIG_INVALID, and keeps nothing, if its paths overlap with others.
   */
  take(config: DatabaseConfig): ManagedDatabase | undefined {
    if (this.#closing || this.#databases.has(config.path)) return undefined
    this.#places.add(config)
    return this.#manage(config)
  }

  /**
   * Registers a database and starts it immediately. Returns false if it is registered already.
   * Throws CONFIG_INVALID if its paths overlap with others, and the errors selected by
   * `options.throws`; nothing is kept then.
   */
  async add(config: DatabaseConfig, options: StartOptions = {}): Promise<boolean> {
    const database = this.take(config)
    if (!database) return false
    try {
      await database.start(options)
    } catch (error) {
      this.#forget(config.path)
      throw error
    }
    return true
  }

  #forget(path: string): void {
    this.#databases.delete(path)
    this.#places.remove(path)
    this.metrics?.databases.remove(path)
  }

  find(path: string): ManagedDatabase | undefined {
    return this.#databases.get(path)
  }

  /** The database at `path`. Throws NOT_FOUND. */
  get(path: string): ManagedDatabase {
    const database = this.#databases.get(path)
    if (database) return database
    throw new LitestreamError('NOT_FOUND', `database not found: ${path}`, {
      file: path,
      hint: 'Run `litestream-ts list` to see the databases of the process.',
    })
  }

  /**
   * Syncs once more and removes the database. Returns its last TXID, undefined if it is unknown.
   */
  async remove(path: string, signal?: AbortSignal): Promise<number | undefined> {
    const database = this.#databases.get(path)
    if (!database) return undefined
    try {
      await database.stop(signal)
    } finally {
      this.#forget(path)
    }
    return database.lastTxid
  }

  summaries(): DatabaseSummary[] {
    return this.databases.map((database) => database.summary())
  }

  /** Throws INVALID_ARGUMENT if `maxLag` is not a duration. */
  health(maxLag: string | null): Health {
    return health(this.summaries(), this.faults.list(), maxLag)
  }

  /**
   * Closes all databases, each with a last sync. Resolves when all are closed or have reached their
   * time limit, with the paths of those that are not replicated; each of these was logged.
   */
  async close(signal?: AbortSignal): Promise<string[]> {
    this.#closing = true
    this.#sampler.stop()
    const failed = await Promise.all(this.databases.map((database) => this.#closeOne(database, signal)))
    const skipped = this.faults.list().filter(({ replication }) => replication)
    return [...failed.flat(), ...skipped.map(({ name }) => name)]
  }

  async #closeOne(database: ManagedDatabase, signal: AbortSignal | undefined): Promise<string[]> {
    const { path } = database
    const timeout = this.config.shutdownSyncTimeout + CLOSE_MARGIN_MS
    try {
      const condition = await withDeadline(`closing ${path}`, { timeout, signal }, (own) => database.stop(own), {
        abandon: true,
      })
      const { ok, reason } = finalVerdict(condition)
      if (ok) return []
      const { code, hint } = condition.error ?? {}
      this.logger.error({ db: path, error: reason, code, hint }, 'the database is not replicated')
    } catch (error) {
      const { message, code, hint } = toLitestreamError(error)
      this.logger.error({ db: path, error: message, code, hint }, 'the last sync failed: the replica is behind')
    }
    return [path]
  }
}

/** Whether an error of opening a replica may be temporary. */
export function mayPass(error: LitestreamError): boolean {
  return isLitestreamError(error, 'UNAVAILABLE', 'TIMEOUT', 'THROTTLED')
}
