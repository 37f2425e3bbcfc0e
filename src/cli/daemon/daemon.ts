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

/** Maximum number of databases that the daemon opens in parallel. */
const OPEN_CONCURRENCY = 50

/**
 * Time in milliseconds that the daemon waits for one database to close, in addition to
 * `shutdown-sync-timeout`.
 */
export const CLOSE_MARGIN_MS = 10_000

/**
 * All databases that one process replicates. The daemon opens, monitors and closes all databases in
 * parallel. An error of one database does not affect the other databases.
 */
export class Daemon {
  readonly logger: Logger
  readonly startedAt = Date.now()
  /** The faults of the parts of the process other than databases. */
  readonly faults: PartFaults
  /** The HTTP clients that receive the events of this process. */
  readonly events = new EventStreams()
  /** The metrics of this daemon, or undefined if the daemon serves no metrics. */
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
   * Replaces the configuration for databases that start after the call of configure(). Running
   * databases keep their settings.
   */
  configure(config: Config): void {
    this.#config = config
    this.#places = new ClaimedPlaces(config)
    for (const database of this.#databases.values()) this.#places.add(database.config)
  }

  /** Sets the function that `reload()` calls to read the configuration again. */
  reloadWith(reload: () => Promise<object>): void {
    this.#reload = reload
  }

  /**
   * Reads the configuration again. Throws if the configuration is invalid. Throws ABORTED while the
   * process is starting.
   */
  async reload(): Promise<object> {
    if (!this.#reload)
      throw new LitestreamError('ABORTED', 'the process is starting and cannot reload its configuration yet')
    try {
      const result = await this.#reload()
      this.logger.info({ ...result }, 'configuration reloaded')
      this.events.publish({ event: 'reload', ...result })
      return result
    } catch (error) {
      const { message, code, hint } = toLitestreamError(error)
      this.logger.error(
        { error: message, code, hint },
        'the configuration was not reloaded; the process keeps its previous settings',
      )
      this.events.publish({ event: 'error', operation: 'reload', code, error: message, hint })
      throw error
    }
  }

  get databases(): readonly ManagedDatabase[] {
    return [...this.#databases.values()]
  }

  /**
   * Starts every configured database, and resolves when each replica was opened or could not be
   * opened. The daemon retries to open a replica that could not be opened, unless `options.throws`
   * selects its error. Returns the errors of failed openings by database path.
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
   * Starts a database, and resolves when its replica was opened or could not be opened. The daemon
   * opens at most OPEN_CONCURRENCY databases in parallel.
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
   * Adds a database to the daemon without starting it. After `register`, the caller must start the
   * database with `begin`. Returns undefined if the database is registered already, or if the
   * daemon is closing. If the paths of the database overlap with those of another database, throws
   * CONFIG_INVALID and does not register the database.
   */
  take(config: DatabaseConfig): ManagedDatabase | undefined {
    if (this.#closing || this.#databases.has(config.path)) return undefined
    this.#places.add(config)
    return this.#manage(config)
  }

  /**
   * Registers a database and starts it immediately. Returns false if the database is registered
   * already. Throws CONFIG_INVALID if the paths of the database overlap with those of another
   * database. Throws the errors that `options.throws` selects. A database that causes an error is
   * not registered.
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

  /** Returns the database at `path`. Throws NOT_FOUND if the daemon has no such database. */
  get(path: string): ManagedDatabase {
    const database = this.#databases.get(path)
    if (database) return database
    throw new LitestreamError('NOT_FOUND', `database not found: ${path}`, {
      file: path,
      hint: 'Run `litestream-ts list` to see the databases of the process.',
    })
  }

  /**
   * Syncs the database a final time and unregisters it. Returns the highest TXID of the database,
   * or undefined if the TXID is unknown.
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

  /** Returns the health of the process. Throws INVALID_ARGUMENT if `maxLag` is not a duration. */
  health(maxLag: string | null): Health {
    return health(this.summaries(), this.faults.list(), maxLag)
  }

  /**
   * Closes all databases in parallel, each with a final sync. Resolves when every database is
   * closed or its time limit has passed. Returns the paths of the databases that are not completely
   * replicated, and logs an error for each of these databases.
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

/** Returns whether an error in opening a replica may be temporary. */
export function mayPass(error: LitestreamError): boolean {
  return isLitestreamError(error, 'UNAVAILABLE', 'TIMEOUT', 'THROTTLED')
}
