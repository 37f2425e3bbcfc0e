import PQueue from 'p-queue'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { findDatabases } from '../../config/directories.js'
import type { Config, DatabaseConfig } from '../../config/types.js'
import { LitestreamError } from '../../errors.js'
import type { DatabaseSummary } from '../../status/document.js'
import { LagHistory } from '../../status/lag-history.js'
import { DatabaseMetrics } from '../../status/metrics/database-metrics.js'
import type { Logger } from '../../util/logger.js'
import { startInterval, type Timer } from '../../util/timers.js'
import { ManagedDatabase } from './managed-database.js'

/** Databases that are opened at the same time. */
const OPEN_CONCURRENCY = 50

/** All databases that one process replicates: opened, watched over and closed together. */
export class Daemon {
  readonly config: Config
  readonly logger: Logger
  readonly registry = new Registry()
  readonly startedAt = Date.now()
  readonly #metrics: DatabaseMetrics
  readonly #databases = new Map<string, ManagedDatabase>()
  readonly #sampler: Timer

  constructor(config: Config, logger: Logger) {
    this.config = config
    this.logger = logger
    collectDefaultMetrics({ register: this.registry })
    this.#metrics = new DatabaseMetrics(this.registry)
    this.#sampler = startInterval(LagHistory.INTERVAL, () => {
      for (const database of this.#databases.values()) database.sample()
    })
    this.#sampler.unref()
  }

  get metrics(): DatabaseMetrics {
    return this.#metrics
  }

  get databases(): readonly ManagedDatabase[] {
    return [...this.#databases.values()]
  }

  /** Starts every database of the configuration. Throws where a replica cannot be opened at all; what is started then is closed. */
  async open(options: { readonly monitor?: boolean } = {}): Promise<void> {
    const queue = new PQueue({ concurrency: OPEN_CONCURRENCY })
    await queue.addAll(findDatabases(this.config).map((database) => () => this.add(database, options)))
  }

  /** Takes up a database. Returns false if it is there already. */
  async add(config: DatabaseConfig, options: { readonly monitor?: boolean } = {}): Promise<boolean> {
    if (this.#databases.has(config.path)) return false
    const { logger } = this
    const database = new ManagedDatabase(config, { config: this.config, logger, metrics: this.#metrics })
    this.#databases.set(config.path, database)
    this.#metrics.add(config.path)
    try {
      await database.start(options)
    } catch (error) {
      this.#databases.delete(config.path)
      throw error
    }
    return true
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
      hint: 'litestream-ts list shows the databases of the process.',
    })
  }

  /** Syncs a last time and forgets the database. Returns its last TXID, undefined if it is not known. */
  async remove(path: string, signal?: AbortSignal): Promise<number | undefined> {
    const database = this.#databases.get(path)
    if (!database) return undefined
    try {
      await database.stop(signal)
    } finally {
      this.#databases.delete(path)
      this.#metrics.remove(path)
    }
    return database.lastTxid
  }

  summaries(): DatabaseSummary[] {
    return this.databases.map((database) => database.summary())
  }

  /**
   * Closes all databases, each with a last sync. Resolves when all are closed, with the number of those whose last sync failed;
   * each of these has been logged.
   */
  async close(signal?: AbortSignal): Promise<number> {
    this.#sampler.stop()
    const outcomes = await Promise.all(
      this.databases.map(async (database) => {
        try {
          await database.stop(signal)
          return 0
        } catch (error) {
          const { message, code, hint } = error as LitestreamError
          this.logger.error(
            { db: database.path, error: message, code, hint },
            'the last sync failed: the replica is behind',
          )
          return 1
        }
      }),
    )
    return outcomes.reduce<number>((sum, failed) => sum + failed, 0)
  }

  /** The metrics as text, gauges read anew. */
  async metricsText(): Promise<string> {
    await Promise.all(
      this.databases.map(async (database) => {
        try {
          this.#metrics.setLevels(database.path, await database.levels(), this.config.l0Retention)
        } catch (error) {
          this.logger.debug({ db: database.path, error: (error as Error).message }, 'cannot list the replica')
        }
      }),
    )
    this.#metrics.collect(this.summaries())
    return this.registry.metrics()
  }
}
