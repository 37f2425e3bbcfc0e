/**
 * A Registry of prom-client, of the copy and version that the application has: this package includes one of its own, and its types do
 * not refer to it.
 */
export interface MetricsRegistry {
  registerMetric(metric: never): void
  removeSingleMetric(name: string): void
  metrics(): Promise<string>
}
