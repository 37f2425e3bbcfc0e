import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { formatTimestamp } from '../util/timestamp.js'
import { formatTime } from './output.js'

/** The columns of a list of LTX files, as in Litestream. */
export const FILE_COLUMNS = ['level', 'min_txid', 'max_txid', 'size', 'created']

/** Returns the JSON form of an LTX file, which all commands print. */
export function fileJson(file: LtxFileInfo) {
  return {
    level: file.level,
    min_txid: formatTxid(file.minTxid),
    max_txid: formatTxid(file.maxTxid),
    size: file.size,
    timestamp: formatTimestamp(file.createdAt),
  }
}

export function fileRow(file: LtxFileInfo): string[] {
  const { level, minTxid, maxTxid, size, createdAt } = file
  return [String(level), formatTxid(minTxid), formatTxid(maxTxid), String(size), formatTime(createdAt)]
}
