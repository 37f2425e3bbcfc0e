import { resolve } from 'node:path'
import type { OpenReplicaClientOptions } from '../storage/open.js'
import { parseReplicaUrl } from '../storage/url.js'
import { checkArgument, text } from '../util/check-arguments.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import { refuseOverlap } from './claimed-paths.js'
import { checkReplicatorOptions, type ReplicatorOptions } from './options.js'
import { Replication } from './replication.js'
import { driverFor } from './source/sqlite-copies.js'

export type { Replication } from './replication.js'

/** `signal` and `timeout` only end the opening of the replica. */
export interface ReplicateOptions extends Partial<ReplicatorOptions>, WaitOptions {
  /** Settings of the store; they must be plain data, because they are sent to a worker thread. */
  readonly storage?: Omit<OpenReplicaClientOptions, 'signal' | 'timeout'>
}

/**
 * Replicates the database at `path` to `url` until the handle is closed. All work runs in a worker
 * thread. If the database does not exist yet, replication waits for it. Throws INVALID_URL,
 * INVALID_ARGUMENT, DATABASE_SHARED, DRIVER_MISSING, TIMEOUT and errors of opening the store.
 *
 * The application may use the database in this process through the same driver (option `driver`):
 * better-sqlite3 or node:sqlite. Two copies of SQLite in one process break each other's locks. On
 * Linux this is detected, also if it happens later: replication then ends with DATABASE_SHARED.
 *
 * @example
 * const replication = await replicate('app.db', 's3://bucket/app')
 * await replication.sync({ wait: true })
 * await replication.close()
 */
export async function replicate(path: string, url: string, options: ReplicateOptions = {}): Promise<Replication> {
  const { storage, signal, timeout, ...rest } = options
  parseReplicaUrl(url)
  checkArgument(path, 'path', text, 'replicate')
  checkReplicatorOptions(rest)
  const file = resolve(path)
  refuseOverlap(file, url, rest.metaPath)
  const driver = rest.driver ?? driverFor(file)
  signal?.throwIfAborted()
  const replication = new Replication({ path: file, url, storage, options: { ...rest, driver } })
  try {
    await withDeadline(`opening the replica of ${file}`, { signal, timeout }, () => replication.ready, {
      abandon: true,
    })
    return replication
  } catch (error) {
    await replication.terminate()
    throw error
  }
}
