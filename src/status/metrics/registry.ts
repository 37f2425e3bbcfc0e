/**
 * A Registry of prom-client, of the application's copy and version: this package includes its own
 * copy, and the types here do not refer to it.
 */
export interface MetricsRegistry {
  /** Adds a metric. */
  registerMetric(metric: never): void
  /** Removes a metric by its name. */
  removeSingleMetric(name: string): void
  /** The metrics in the text format of Prometheus. */
  metrics(): Promise<string>
}
