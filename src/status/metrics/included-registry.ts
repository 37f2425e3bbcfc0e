import type { Registry } from 'prom-client'
import type { MetricsRegistry } from './registry.js'

/**
 * Returns the application's registry with the type of this package's own copy of prom-client. On
 * this registry, metrics call only the methods of MetricsRegistry, and `get` of a metric.
 */
export function asRegistry(registry: MetricsRegistry): Registry {
  return registry as Registry
}
