/**
 * A Registry of prom-client, of the application's copy and version: this package includes its own
 * copy, and the types here do not refer to it.
 */
export interface MetricsRegistry {
  registerMetric(metric: never): void
  removeSingleMetric(name: string): void
  metrics(): Promise<string>
}
