import type { Operation, ReplicaClient } from '../../storage/replica-client.js'
import { wrapClient } from '../../storage/wrap-client.js'
import { elapsedMs } from '../../util/elapsed.js'
import type { DatabaseMetrics } from './database-metrics.js'

/**
 * Returns a client that counts and times every operation. An operation that its caller aborts
 * counts as failed.
 */
export function instrumentClient(client: ReplicaClient, metrics: DatabaseMetrics): ReplicaClient {
  const begin = (operation: Operation) => {
    const started = elapsedMs()
    return (bytes: number, error?: unknown) =>
      metrics.operation(client.type, operation, (elapsedMs() - started) / 1000, bytes, error)
  }
  const wrapped = wrapClient(client, {
    async request(operation, options, act, bytes) {
      const end = begin(operation)
      try {
        const result = await act(options)
        end(bytes(result))
        return result
      } catch (error) {
        end(0, error)
        throw error
      }
    },
    async *stream(operation, options, act, bytes) {
      const end = begin(operation)
      let sum = 0
      try {
        for await (const item of act(options)) {
          sum += bytes(item)
          yield item
        }
        end(sum)
      } catch (error) {
        end(sum, error)
        throw error
      }
    },
  })
  metrics.watchClient(wrapped)
  return wrapped
}
