import type { Operation, ReplicaClient } from '../../storage/replica-client.js'
import type { DatabaseMetrics } from './database-metrics.js'

/** The same client, with every operation counted and timed. An operation that is aborted by its caller counts as failed. */
export function instrumentClient(client: ReplicaClient, metrics: DatabaseMetrics): ReplicaClient {
  metrics.watchClient(client)
  const seconds = (since: number) => (performance.now() - since) / 1000

  async function timed<T>(
    operation: Operation,
    act: () => Promise<T>,
    bytes: (result: T) => number = () => 0,
  ): Promise<T> {
    const started = performance.now()
    try {
      const result = await act()
      metrics.operation(client.type, operation, seconds(started), bytes(result))
      return result
    } catch (error) {
      metrics.operation(client.type, operation, seconds(started), 0, error)
      throw error
    }
  }

  async function* iterated<T>(operation: Operation, source: AsyncIterable<T>, size: (item: T) => number) {
    const started = performance.now()
    let bytes = 0
    try {
      for await (const item of source) {
        bytes += size(item)
        yield item
      }
      metrics.operation(client.type, operation, seconds(started), bytes)
    } catch (error) {
      metrics.operation(client.type, operation, seconds(started), bytes, error)
      throw error
    }
  }

  const { watch, listUpwards } = client
  return {
    type: client.type,
    url: client.url,
    list: (level, options) => iterated('LIST', client.list(level, options), () => 0),
    ...(listUpwards
      ? { listUpwards: (level, options) => iterated('LIST', listUpwards.call(client, level, options), () => 0) }
      : {}),
    read: (file, range, options) =>
      timed(
        'GET',
        () => client.read(file, range, options),
        ({ data }) => data.byteLength,
      ),
    stream: (file, options) => iterated('GET', client.stream(file, options), (chunk) => chunk.byteLength),
    write: (file, body, options) =>
      timed(
        'PUT',
        () => client.write(file, body, options),
        ({ size }) => size,
      ),
    delete: (files, options) => timed('DELETE', () => client.delete(files, options)),
    stat: (file, options) => timed('HEAD', () => client.stat(file, options)),
    ...(watch ? { watch: (onChange, options) => watch.call(client, onChange, options) } : {}),
    getObject: (name, options) => timed('GET', () => client.getObject(name, options)),
    putObject: (name, data, ifTag, options) => timed('PUT', () => client.putObject(name, data, ifTag, options)),
    deleteObject: (name, ifTag, options) => timed('DELETE', () => client.deleteObject(name, ifTag, options)),
    stats: () => client.stats(),
    close: () => client.close(),
  }
}
