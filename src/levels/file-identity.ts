import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileInfo, LtxFileRef } from '../storage/replica-client.js'

/**
 * Distinguishes files of the same name by size, time or version, as after a reset of the replica.
 */
export function fileIdentity(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.createdAt}/${file.version ?? ''}`
}

/**
 * fileIdentity without the time, which a listing and a stat may report differently; identifies the
 * content of a damaged file.
 */
export function fileContent(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.version ?? ''}`
}

/** `level/name`. */
function fileName({ level, minTxid, maxTxid }: LtxFileRef): string {
  return `${level}/${formatFileName(minTxid, maxTxid)}`
}
