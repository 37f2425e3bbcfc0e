import { Counter, Gauge, type Registry } from 'prom-client'
import type { Replica } from '../../replica/handle/open-replica.js'
import { asRegistry } from './included-registry.js'
import type { MetricsRegistry } from './registry.js'

/**
 * Adds the metrics of an open replica to a prom-client registry. The URL of the replica is a label.
 * Printing the registry updates the metrics. Returns a function that removes the metrics of this
 * replica. Several replicas may share one registry.
 *
 * @example
 * const replica = await openReplica('s3://bucket/app.db')
 * const registry = new Registry()
 * const remove = registerReplicaMetrics(registry, replica)
 * const text = await registry.metrics()
 * remove()
 * await replica.close()
 */
export function registerReplicaMetrics(metrics: MetricsRegistry, replica: Replica): () => void {
  const registry = asRegistry(metrics)
  const watched = watchedIn(registry)
  watched.replicas.add(replica)
  const remove = () => {
    watched.replicas.delete(replica)
    for (const metric of watched.metrics) metric.remove({ replica: replica.url })
  }
  replica.once('closed', remove)
  return remove
}

interface Watched {
  readonly replicas: Set<Replica>
  readonly metrics: (Gauge | Counter)[]
}

const registries = new WeakMap<Registry, Watched>()

function watchedIn(registry: Registry): Watched {
  const known = registries.get(registry)
  if (known) return known
  const watched: Watched = { replicas: new Set(), metrics: [] }
  registries.set(registry, watched)
  defineMetrics(registry, watched)
  return watched
}

function defineMetrics(registry: Registry, { replicas, metrics }: Watched): void {
  const registers = [registry]
  const labelNames = ['replica']
  const gauge = (name: string, help: string, read: (replica: Replica) => number) => {
    metrics.push(
      new Gauge({
        name: `litestream_vfs_${name}`,
        help,
        labelNames,
        registers,
        collect() {
          for (const replica of replicas) this.set({ replica: replica.url }, read(replica))
        },
      }),
    )
  }
  const counter = (name: string, help: string, read: (replica: Replica) => number | Promise<number>) => {
    metrics.push(
      new Counter({
        name: `litestream_vfs_${name}`,
        help,
        labelNames,
        registers,
        async collect() {
          const values = await Promise.all(
            [...replicas].map(async (replica) => [replica.url, await read(replica)] as const),
          )
          this.reset()
          for (const [url, value] of values) this.inc({ replica: url }, value)
        },
      }),
    )
  }
  gauge('txid', 'TXID of the newest state that can be read', (replica) => replica.txid)
  gauge(
    'lag_seconds',
    'Seconds since the last poll that saw every file in the store',
    (replica) => replica.lagMs / 1000,
  )
  gauge('connections', 'Number of open connections to the replica', (replica) => replica.stats().readers)
  gauge('cache_bytes', 'Bytes of pages in the page cache', (replica) => replica.stats().cacheBytes)
  gauge(
    'database_bytes',
    'Size of the database in bytes',
    (replica) => replica.stats().commit * replica.stats().pageSize,
  )
  gauge(
    'hydration_ratio',
    'Fraction of the pages that are in the local copy, 0 to 1',
    (replica) => replica.stats().hydration,
  )
  counter('hits_total', 'Number of pages read from the page cache or the local copy', (replica) => replica.stats().hits)
  counter(
    'misses_total',
    'Number of pages that were requested from the replica worker',
    (replica) => replica.stats().misses,
  )
  counter('crossings_total', 'Number of page reads that called JavaScript', (replica) => replica.stats().crossings)
  counter(
    'requests_total',
    'Number of requests to the store for pages',
    async (replica) => (await replica.workerStats()).fetch.requests,
  )
  counter(
    'fetched_bytes_total',
    'Bytes of pages fetched from the store',
    async (replica) => (await replica.workerStats()).fetch.bytes,
  )
  counter(
    'pages_wanted_total',
    'Number of pages fetched because a read waited for them',
    async (replica) => (await replica.workerStats()).fetch.pagesWanted,
  )
  counter(
    'pages_ahead_total',
    'Number of pages prefetched before a read needed them',
    async (replica) => (await replica.workerStats()).fetch.pagesAhead,
  )
}
