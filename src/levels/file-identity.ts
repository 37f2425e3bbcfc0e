import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileInfo, LtxFileRef } from '../storage/replica-client.js'

/**
 * Returns a text that identifies a file by level, name, size, time and version. After a reset of
 * the replica, another file may have the same name.
 */
export function fileIdentity(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.createdAt}/${file.version ?? ''}`
}

/**
 * Returns a text that identifies the content of a file, for example of a damaged file. Does not
 * include the creation time, because a listing and a `stat` request may report different times.
 */
export function fileContent(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.version ?? ''}`
}

/** Returns the level and the name of a file as `level/name`. */
function fileName({ level, minTxid, maxTxid }: LtxFileRef): string {
  return `${level}/${formatFileName(minTxid, maxTxid)}`
}
