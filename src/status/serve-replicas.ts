import { Registry } from 'prom-client'
import type { Replica } from '../replica/handle/open-replica.js'
import { withoutSecrets } from '../util/redact.js'
import { startInterval } from '../util/timers.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import { version } from '../version.js'
import type { ReplicaStatus, StatusSource } from './document.js'
import { HttpServer } from './http-server.js'
import { LagHistory } from './lag-history.js'
import { asRegistry } from './metrics/included-registry.js'
import type { MetricsRegistry } from './metrics/registry.js'
import { registerReplicaMetrics } from './metrics/replica-metrics.js'
import { databaseVerdict, health } from './verdict.js'

/** Options of serveReplicas(). `signal` and `timeout` limit only the start of the server. */
export interface ServeReplicasOptions extends WaitOptions {
  /**
   * Address to listen on, as `host:port`. Port 0 selects a free port. Without a host, only clients
   * on this machine can open the page.
   */
  readonly addr: string
  /**
   * A registry with other metrics of the program. The server also serves the metrics in `registry`.
   */
  readonly registry?: MetricsRegistry
}

/** A running status server. */
export interface StatusServer {
  /** The URL `http://host:port` of the server. */
  readonly address: string
  /**
   * Stops the server and closes its connections. `signal` and `timeout` limit only how long the
   * caller waits.
   */
  close(waiting?: WaitOptions): Promise<void>
}

/**
 * Serves the status page, /metrics, /healthz and /status.json for replicas that a program has
 * opened. The server does not keep the process alive. Throws INVALID_ARGUMENT if the address is
 * invalid, UNAVAILABLE if the server cannot listen, and TIMEOUT after `timeout`.
 *
 * @example
 * const replica = await openReplica('s3://bucket/app.db')
 * const server = await serveReplicas([replica], { addr: '127.0.0.1:9090' })
 * await server.close()
 * await replica.close()
 */
export async function serveReplicas(
  replicas: readonly Replica[],
  options: ServeReplicasOptions,
): Promise<StatusServer> {
  const { addr, signal, timeout } = options
  return withDeadline(`listening on ${addr}`, { signal, timeout }, (limit) => serve(replicas, options, limit), {
    abandon: true,
  })
}

async function serve(
  replicas: readonly Replica[],
  options: ServeReplicasOptions,
  limit: AbortSignal | undefined,
): Promise<StatusServer> {
  const registry = options.registry ? asRegistry(options.registry) : new Registry()
  const startedAt = Date.now()
  const histories = new Map(replicas.map((replica) => [replica, new LagHistory()] as const))
  const open = new Set(replicas)
  for (const replica of replicas) replica.once('closed', () => open.delete(replica))
  const check = (maxLag: string | null) =>
    health(
      [...open].map((replica) => ({ path: replica.url, state: 'reading', lagMs: lagOf(replica) })),
      [],
      maxLag,
    )
  const statusOf = async (replica: Replica): Promise<ReplicaStatus> => {
    const { hits, misses, crossings, readers, cacheBytes, commit, pageSize, hydration } = replica.stats()
    const { fetch } = await replica.workerStats()
    const lagMs = lagOf(replica)
    return {
      url: replica.url,
      ok: databaseVerdict({ path: replica.url, state: 'reading', lagMs }).ok,
      txid: replica.txid,
      timestamp: replica.timestamp.getTime(),
      lagMs,
      connections: readers,
      databaseSize: commit * pageSize,
      cacheBytes,
      hits,
      misses,
      crossings,
      hydration,
      requests: fetch.requests,
      fetchedBytes: fetch.bytes,
      pagesWanted: fetch.pagesWanted,
      pagesAhead: fetch.pagesAhead,
      lagHistory: histories.get(replica)!.samples,
    }
  }
  const source: StatusSource = {
    metricsType: registry.contentType,
    metrics: () => registry.metrics(),
    health: check,
    async status() {
      return {
        version,
        startedAt,
        now: Date.now(),
        health: check(null).status,
        databases: [],
        parts: [],
        replicas: await Promise.all([...open].map(statusOf)),
      }
    },
    onError: (url, error) =>
      process.emitWarning(withoutSecrets(`${url}: ${error.message}`), { type: 'LitestreamWarning' }),
  }
  const server = await HttpServer.listen(source, options.addr)
  if (limit?.aborted) {
    await server.close()
    throw limit.reason
  }
  server.unref()
  // After this point, the start of the server cannot fail. The timer that samples the lag therefore
  // never outlives a failed start.
  const sampler = startInterval(LagHistory.INTERVAL, () => {
    for (const replica of open) histories.get(replica)!.add(Date.now(), lagOf(replica))
  })
  sampler.unref()
  const removals = replicas.map((replica) => registerReplicaMetrics(registry, replica))
  return {
    address: server.address,
    async close(waiting: WaitOptions = {}) {
      sampler.stop()
      for (const remove of removals) remove()
      await withDeadline(`closing ${server.address}`, waiting, () => server.close(), { abandon: true })
    },
  }
}

function lagOf(replica: Replica): number {
  return replica.lagMs
}
