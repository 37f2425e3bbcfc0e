/**
 * A Registry of prom-client. The application imports the Registry from its own copy of prom-client,
 * in any version. MetricsRegistry does not refer to the types of prom-client, because litestream-ts
 * contains its own copy of prom-client.
 */
export interface MetricsRegistry {
  /** Adds a metric to the registry. */
  registerMetric(metric: never): void
  /** Removes the metric with this name. */
  removeSingleMetric(name: string): void
  /** Returns all metrics in the text format of Prometheus. */
  metrics(): Promise<string>
}
