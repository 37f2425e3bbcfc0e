import { formatFileName } from './file-name.js'

/**
 * Returns the name of a replica's file for messages and for `error.file`. The label has the same
 * form for all kinds of stores.
 */
export function fileLabel(
  { url }: { readonly url: string },
  file: { readonly level: number; readonly minTxid: number; readonly maxTxid: number },
): string {
  return `${url} level ${file.level} ${formatFileName(file.minTxid, file.maxTxid)}`
}
