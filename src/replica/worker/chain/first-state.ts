import { isLitestreamError, LitestreamError } from '../../../errors.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { pause } from '../../../util/pause.js'
import type { Chain, LoadedState } from './chain.js'

/**
 * Returns the newest state of a replica, and the monotonic time at which the listing for this state
 * began. If the replica is empty, waits up to `openTimeout` milliseconds for the first file. If no
 * file appears, throws REPLICA_EMPTY.
 */
export async function firstState(
  chain: Chain,
  url: string,
  options: { readonly pollInterval: number; readonly openTimeout: number },
  signal: AbortSignal,
): Promise<LoadedState & { readonly startedAt: number }> {
  const started = monotonicMs()
  for (;;) {
    const startedAt = monotonicMs()
    try {
      return { ...(await chain.loadFiles()), startedAt }
    } catch (error) {
      if (!isLitestreamError(error, 'REPLICA_EMPTY')) throw error
      const waited = Math.round(monotonicMs() - started)
      if (waited + options.pollInterval > options.openTimeout) {
        throw new LitestreamError('REPLICA_EMPTY', `${error.message} (waited ${waited} ms)`, {
          hint: 'Start the primary (`litestream-ts replicate DB URL`), or raise open_timeout to wait longer for the first snapshot of the primary.',
          file: url,
          cause: error,
        })
      }
      await pause(Math.min(options.pollInterval, 1000), signal)
      signal.throwIfAborted()
    }
  }
}
