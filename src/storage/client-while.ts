import { LitestreamError } from '../errors.js'
import type { ReplicaClient } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/**
 * A client that sends no request while `allowed` returns false: a lease may expire before its
 * keeper notices.
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
