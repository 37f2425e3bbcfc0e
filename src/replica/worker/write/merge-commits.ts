import { decodeLtx } from '../../../ltx/decoder.js'
import { LtxEncoder } from '../../../ltx/encoder.js'

export interface MergedHeader {
  readonly txid: number
  /** Time in the header of the merged file, in milliseconds since the epoch. */
  readonly timestamp: number
  /** The node ID in the header of the merged file (default 0, see commit-file.ts). */
  readonly nodeId?: bigint
}

/**
 * Merges commits into one LTX file. The oldest commit comes first. The merged file contains the
 * newest version of each page and describes the database after the last commit. If the commits and
 * the header are the same, the merged file has the same bytes. `mergeCommits` needs memory for the
 * pages of the result.
 */
export async function mergeCommits(
  commits: readonly Uint8Array[],
  { txid, timestamp, nodeId = 0n }: MergedHeader,
): Promise<Uint8Array> {
  const newest = new Map<number, Uint8Array>()
  let pageSize = 0
  let commit = 0
  for (const bytes of commits) {
    const { header, batches } = await decodeLtx(once(bytes), 'a commit of the local buffer')
    pageSize = header.pageSize
    // Pages above a smaller database size are discarded. Discarded pages stay discarded if the
    // database grows again.
    if (header.commit < commit) for (const pgno of newest.keys()) if (pgno > header.commit) newest.delete(pgno)
    commit = header.commit
    for await (const { count, pgnos, pages } of batches) {
      for (let i = 0; i < count; i++) newest.set(pgnos[i]!, pages.slice(i * pageSize, (i + 1) * pageSize))
    }
  }
  const encoder = new LtxEncoder({ pageSize, commit, minTxid: txid, maxTxid: txid, timestamp, nodeId })
  const pgnos = Uint32Array.from(newest.keys()).sort()
  const parts = [encoder.start()]
  for (const pgno of pgnos) parts.push(encoder.pages(Uint32Array.of(pgno), newest.get(pgno)!))
  parts.push(encoder.finish())
  return Buffer.concat(parts)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
