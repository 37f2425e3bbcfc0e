import type { Registry } from 'prom-client'
import type { MetricsRegistry } from './registry.js'

/**
 * The registry with the type of this package's copy of prom-client: both call the methods above,
 * and `get` of a metric.
 */
export function asRegistry(registry: MetricsRegistry): Registry {
  return registry as Registry
}
