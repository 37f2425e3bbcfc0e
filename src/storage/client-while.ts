import { LitestreamError } from '../errors.js'
import type { ReplicaClient } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/** The same client, which begins no request once `allowed` is false: a lease may expire before its keeper finds out. */
export function clientWhile(allowed: () => boolean, client: ReplicaClient): ReplicaClient {
  const check = () => {
    if (!allowed()) throw new LitestreamError('ABORTED', `${client.url}: compaction ended, the lease has expired`)
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
