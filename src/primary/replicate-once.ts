import { resolve } from 'node:path'
import type { DriverChoice } from '../sqlite/connection.js'
import { clientUnderSignal } from '../storage/client-under-signal.js'
import { openReplicaClient, type StoreOptions } from '../storage/open.js'
import { checkArgument, text } from '../util/check-arguments.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import { refuseOverlap } from './claimed-paths.js'
import type { PrimaryObserver } from './events.js'
import { type ReplicationSettings, readReplicationSettings } from './options.js'
import { ownedStorage } from './owned-storage.js'
import { Replicator } from './replicator.js'
import type { SyncResult } from './replicator-status.js'

export interface ReplicateOnceOptions extends ReplicationSettings, WaitOptions {
  /** The SQLite driver that reads the database (same default as in `replicate`). */
  readonly driver?: DriverChoice
  /** Settings of the store. */
  readonly storage?: StoreOptions
  /** A function that receives the events of the primary (see PrimaryEvents). */
  readonly observe?: PrimaryObserver
}

/**
 * Uploads all committed transactions of the database at `path` to the replica at `url`, then closes
 * the database and the replica. `replicateOnce` runs on the calling thread. Throws NOT_FOUND if the
 * database does not exist. Throws INVALID_ARGUMENT, TIMEOUT, and any error that prevents an upload.
 * A signal or `timeout` (milliseconds) ends the call and its running requests.
 *
 * @example
 * const { replicaTxid } = await replicateOnce('app.db', 'file:///backup/app')
 */
export async function replicateOnce(
  path: string,
  url: string,
  options: ReplicateOnceOptions = {},
): Promise<SyncResult> {
  const { storage, observe, signal, timeout, ...rest } = options
  checkArgument(path, 'path', text, 'replicateOnce')
  const settings = readReplicationSettings(rest, 'replicateOnce')
  refuseOverlap(resolve(path), url, rest.metaPath)
  return withDeadline(`replicating ${path} once`, { signal, timeout }, async (linked) => {
    const client = await openReplicaClient(url, {
      ...ownedStorage(path, storage),
      ...(linked ? { signal: linked } : {}),
      onOutage: observe && ((outage) => observe('outage', { db: path, ...outage })),
    })
    const replicator = new Replicator(
      path,
      linked ? clientUnderSignal(client, linked) : client,
      settings,
      observe ?? (() => {}),
    )
    try {
      return await replicator.sync({ wait: true })
    } finally {
      await replicator.abandon()
    }
  })
}
