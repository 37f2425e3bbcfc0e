import { linkAbort } from '../util/abort.js'
import type { ReplicaClient, RequestOptions } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/**
 * A client whose every request also ends when `life` aborts. The owner of a replica uses it to
 * bound its shutdown while requests are running. Operations throw the client's error for an aborted
 * signal.
 */
export function clientUnderSignal(client: ReplicaClient, life: AbortSignal): ReplicaClient {
  return wrapClient(client, {
    async request(_operation, options, act) {
      const linked = link(options, life)
      try {
        return await act(linked.options)
      } finally {
        linked.unlink()
      }
    },
    async *stream(_operation, options, act) {
      const linked = link(options, life)
      try {
        yield* act(linked.options)
      } finally {
        linked.unlink()
      }
    },
  })
}

/**
 * `options` with a signal that also aborts when `life` does. A request without a signal gets `life`
 * itself.
 */
function link<O extends RequestOptions>(options: O | undefined, life: AbortSignal) {
  const own = options?.signal
  if (own === undefined) return { options: { ...options, signal: life } as O, unlink: () => {} }
  const both = new AbortController()
  const unlinkLife = linkAbort(life, both)
  const unlinkOwn = linkAbort(own, both)
  return {
    options: { ...options, signal: both.signal } as O,
    unlink: () => {
      unlinkLife()
      unlinkOwn()
    },
  }
}
