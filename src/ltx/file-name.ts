import { formatTxid } from './txid.js'

export interface TxidRange {
  readonly minTxid: number
  readonly maxTxid: number
}

export function formatFileName(minTxid: number, maxTxid: number): string {
  return `${formatTxid(minTxid)}-${formatTxid(maxTxid)}.ltx`
}

const PATTERN = /^([0-9a-f]{16})-([0-9a-f]{16})\.ltx$/

/**
 * Parses the TXIDs in the name of an LTX file. Returns undefined for any other name. Listings omit
 * files with other names.
 */
export function parseFileName(name: string): TxidRange | undefined {
  const match = PATTERN.exec(name)
  if (!match) return undefined
  const minTxid = Number.parseInt(match[1]!, 16)
  const maxTxid = Number.parseInt(match[2]!, 16)
  if (minTxid < 1 || maxTxid < minTxid || !Number.isSafeInteger(maxTxid)) return undefined
  return { minTxid, maxTxid }
}
