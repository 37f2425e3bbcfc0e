import { LitestreamError } from '../errors.js'
import type { ReplicaClient } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/**
 * Returns a client that sends no request while `allowed` returns false. The primary uses such a
 * client, because its lease may expire before the primary notices.
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
