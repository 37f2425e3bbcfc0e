import type { OpenReplicaClientOptions } from '../storage/open.js'

/** Settings of the store with which a replica in a folder gets the owner and mode of the database at `path`. */
export function ownedStorage(path: string, storage: OpenReplicaClientOptions = {}): OpenReplicaClientOptions {
  return { ...storage, file: { ownerLike: path, ...storage.file } }
}
