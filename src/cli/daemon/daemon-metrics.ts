import { collectDefaultMetrics, Registry } from 'prom-client'
import { DatabaseMetrics } from '../../status/metrics/database-metrics.js'
import { databaseVerdict } from '../../status/verdict.js'
import type { Daemon } from './daemon.js'

/**
 * The Prometheus metrics of a daemon and its process. A daemon without an HTTP server creates no
 * metrics, because prom-client needs five megabytes of memory. The event loop monitor of
 * prom-client also wakes the process a hundred times per second.
 */
export class DaemonMetrics {
  readonly databases: DatabaseMetrics
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    this.databases = new DatabaseMetrics(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Returns the metrics as text, after updating the gauges. */
  async text(daemon: Daemon): Promise<string> {
    await Promise.all(
      daemon.databases.map(async (database) => {
        try {
          this.databases.setLevels(database.path, await database.levels(), daemon.config.l0Retention)
        } catch (error) {
          daemon.logger.debug({ db: database.path, error: (error as Error).message }, 'cannot list the replica')
        }
      }),
    )
    const summaries = daemon.summaries().map((summary) => ({ ...summary, ok: databaseVerdict(summary).ok }))
    this.databases.collect(summaries, daemon.faults.list())
    return this.#registry.metrics()
  }
}
