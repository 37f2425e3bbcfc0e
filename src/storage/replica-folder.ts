import type { Claim } from '../fs/path-claims.js'
import type { ReplicaClient } from './replica-client.js'
import { parseReplicaUrl } from './url.js'

/**
 * Returns the folder of a replica in the file system. Returns undefined if the replica is in a
 * store other than a folder.
 */
export function replicaFolder({ type, url }: ReplicaClient): Claim | undefined {
  if (type !== 'file') return undefined
  const location = parseReplicaUrl(url)
  return location.type === 'file' ? { path: location.path, tree: true, what: `the replica ${url}` } : undefined
}
