import { formatFileName } from '../ltx/file-name.js'
import type { LtxFileInfo, LtxFileRef } from '../storage/replica-client.js'

/** How messages name a file of a replica; the same on every store. */
export function fileLabel({ url }: { readonly url: string }, file: LtxFileRef): string {
  return `${url} level ${file.level} ${formatFileName(file.minTxid, file.maxTxid)}`
}

/** Tells a file from another of the same name: of another size, time or version, as in a replica that was reset. */
export function fileIdentity(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.createdAt}/${file.version ?? ''}`
}

/** The same without the time, which a listing and a stat may report differently: names the content of a file that is damaged. */
export function fileContent(file: LtxFileInfo): string {
  return `${fileName(file)}/${file.size}/${file.version ?? ''}`
}

/** `level/name`. */
function fileName({ level, minTxid, maxTxid }: LtxFileRef): string {
  return `${level}/${formatFileName(minTxid, maxTxid)}`
}
