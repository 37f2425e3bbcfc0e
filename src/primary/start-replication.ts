import { resolve } from 'node:path'
import { driverOfClass, isDriverClass } from '../sqlite/driver-class.js'
import { parseReplicaUrl } from '../storage/url.js'
import { checkArgument, text } from '../util/check-arguments.js'
import { withDeadline } from '../util/wait.js'
import { refuseOverlap } from './claimed-paths.js'
import { readReplicationSettings } from './options.js'
import type { ReplicateOptions } from './replicate.js'
import { Replication } from './replication.js'
import { driverFor } from './source/sqlite-copies.js'

/** See `replicate`. */
export async function startReplication(path: string, url: string, options: ReplicateOptions): Promise<Replication> {
  const { storage, signal, timeout, driver: given, ...others } = options
  const driver = isDriverClass(given) ? driverOfClass(given) : given
  const rest = { ...others, ...(driver === undefined ? {} : { driver }) }
  parseReplicaUrl(url)
  checkArgument(path, 'path', text, 'replicate')
  const settings = readReplicationSettings(rest, 'replicate')
  const file = resolve(path)
  refuseOverlap(file, url, rest.metaPath)
  signal?.throwIfAborted()
  const replication = new Replication({
    path: file,
    url,
    storage,
    options: { ...settings, driver: driver ?? driverFor(file) },
  })
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
