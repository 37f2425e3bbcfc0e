import { listLevel, mergeFiles } from '../../src/compaction/compact.js'
import type { LtxFileInfo } from '../../src/storage/replica-client.js'
import type { Source } from './replica.js'

/** Merges the files of level 0 from one TXID to another into one of `level`. */
export async function compactRange(
  { client }: Pick<Source, 'client'>,
  level: number,
  from: number,
  to: number,
): Promise<LtxFileInfo> {
  const files = await listLevel(client, 0, from, undefined)
  const chosen = files.filter((file) => file.minTxid >= from && file.maxTxid <= to)
  return mergeFiles(client, chosen, level)
}
