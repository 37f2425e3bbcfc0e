import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileRef, ReplicaClient } from '../storage/replica-client.js'

/** How messages name a file of a replica; the same on every store. */
export function fileLabel(client: ReplicaClient, file: LtxFileRef): string {
  return `${client.url} level ${file.level} ${formatFileName(file.minTxid, file.maxTxid)}`
}
