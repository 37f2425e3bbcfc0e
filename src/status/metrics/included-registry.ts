import type { Registry } from 'prom-client'
import type { MetricsRegistry } from './registry.js'

/** The registry as this package's copy of prom-client takes it: both call the methods above, and `get` of a metric. */
export function asRegistry(registry: MetricsRegistry): Registry {
  return registry as Registry
}
