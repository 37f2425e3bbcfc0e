import type { Claim } from '../fs/path-claims.js'
import type { ReplicaClient } from './replica-client.js'
import { parseReplicaUrl } from './url.js'

/** The folder of a replica in the file system; undefined for other stores. */
export function replicaFolder({ type, url }: ReplicaClient): Claim | undefined {
  if (type !== 'file') return undefined
  const location = parseReplicaUrl(url)
  return location.type === 'file' ? { path: location.path, tree: true, what: `the replica ${url}` } : undefined
}
