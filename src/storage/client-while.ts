import { LitestreamError } from '../errors.js'
import type { ReplicaClient } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/**
 * Returns a client that sends no request while `allowed` returns false. With the returned client, a
 * primary whose lease has expired sends no request even before the primary notices the expiry.
 */
export function clientWhile(allowed: () => boolean, client: ReplicaClient): ReplicaClient {
  const check = () => {
    if (!allowed())
      throw new LitestreamError('ABORTED', `${client.url}: compaction stopped, because the lease has expired`)
  }
  return wrapClient(client, {
    request(_operation, options, act) {
      check()
      return act(options)
    },
    stream(_operation, options, act) {
      check()
      return act(options)
    },
  })
}
