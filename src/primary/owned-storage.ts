import type { OpenReplicaClientOptions } from '../storage/open.js'

/** Store settings that give a file replica the owner and mode of the database at `path`. */
export function ownedStorage(path: string, storage: OpenReplicaClientOptions = {}): OpenReplicaClientOptions {
  return { ...storage, file: { ownerLike: path, ...storage.file } }
}
