import { formatFileName } from './file-name.js'

/**
 * The name of a replica's file in messages and in the `file` of errors about it; the same for every
 * store.
 */
export function fileLabel(
  { url }: { readonly url: string },
  file: { readonly level: number; readonly minTxid: number; readonly maxTxid: number },
): string {
  return `${url} level ${file.level} ${formatFileName(file.minTxid, file.maxTxid)}`
}
