import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileInfo, LtxFileRef } from '../storage/replica-client.js'

/**
 * Returns a text that identifies a file by level, name, size, creation time and version. The name
 * does not suffice, because after a reset of the replica, another file may have the name of a
 * deleted file.
 */
export function fileIdentity(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.createdAt}/${file.version ?? ''}`
}

/**
 * Returns a text that identifies the content of a file. The text lacks the creation time, because a
 * listing and a `stat` request may report different creation times.
 */
export function fileContent(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.version ?? ''}`
}

/** Returns the level and the name of a file as `level/name`. */
function fileName({ level, minTxid, maxTxid }: LtxFileRef): string {
  return `${level}/${formatFileName(minTxid, maxTxid)}`
}
