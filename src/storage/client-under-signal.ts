import { linkAbort } from '../util/abort.js'
import type { ReplicaClient, RequestOptions } from './replica-client.js'
import { wrapClient } from './wrap-client.js'

/**
 * Returns a client whose requests all end when the signal `life` aborts. The owner of a replica
 * uses a client under a signal to limit how long the owner's shutdown takes. If `life` ends a
 * request, the request fails with the same error as after an abort of the request's own signal.
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
 * Returns `options` with a signal that aborts when `life` or the signal of `options` aborts. If
 * `options` has no signal, the signal of the result is `life` itself.
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
