import { type OpenReplicaClientOptions, openReplicaClient } from '../storage/open.js'
import type { PrimaryObserver } from './events.js'
import type { ReplicatorOptions } from './options.js'
import { Replicator } from './replicator.js'
import type { SyncResult } from './replicator-status.js'

export interface ReplicateOnceOptions extends Partial<ReplicatorOptions> {
  readonly storage?: OpenReplicaClientOptions
  readonly observe?: PrimaryObserver
}

/**
 * Brings everything that is committed in the database at `path` to the replica at `url` and lets go of both. Works on the calling
 * thread. Throws NOT_FOUND when there is no database, and whatever kept the last commit from reaching the replica.
 *
 * @example
 * const { replicaTxid } = await replicateOnce('app.db', 'file:///backup/app')
 */
export async function replicateOnce(
  path: string,
  url: string,
  options: ReplicateOnceOptions = {},
): Promise<SyncResult> {
  const { storage, observe = () => {}, ...rest } = options
  const replicator = new Replicator(path, await openReplicaClient(url, storage), rest, observe)
  try {
    return await replicator.sync({ wait: true })
  } finally {
    await replicator.abandon()
  }
}
