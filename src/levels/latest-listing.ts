import { LEVELS, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { type FilesByLevel, selectPlan } from './plan.js'

/** Maximum number of files in the response to one LIST request. */
const LIST_PAGE = 1000
/**
 * Lowest level that gets only a few files per hour. If the store supports a LIST of several levels,
 * one LIST request returns all files of this level and of the levels above.
 */
const SPARSE_LEVEL = 2

/**
 * The first LIST response for every level, and the levels that have more files than their first
 * response.
 */
interface FirstLook {
  readonly files: LtxFileInfo[][]
  readonly long: readonly number[]
}

/**
 * Lists the files that determine the newest state, in at most two round trips. The first round trip
 * sends one LIST request for every level in parallel. The second round trip lists the rest of the
 * levels that have more files than one LIST response. In levels with more files than one LIST
 * response, the second round trip lists only the files after the TXID that the other levels reach.
 * For example, a level with one file per 30 seconds needs three consecutive LIST requests for one
 * day, but a level with one file per five minutes needs only one LIST request.
 */
export async function listForLatest(client: ReplicaClient, signal: AbortSignal): Promise<FilesByLevel> {
  const { files: first, long } = await firstLook(client, signal)
  if (long.length === 0) return first
  const short = first.map((files, level) => (long.includes(level) && level !== SNAPSHOT_LEVEL ? [] : files))
  const reached = reachOf(short)
  const rest = await Promise.all(
    long.map(async (level) => {
      const files: LtxFileInfo[] = []
      const from = level === SNAPSHOT_LEVEL ? 0 : Math.max(1, reached + 1 - span(first[level]))
      for await (const file of client.list(level, { fromTxid: from, signal })) files.push(file)
      return files
    }),
  )
  // The first LIST response for a level with more files is also used. The response is incomplete,
  // but its files exist.
  const merged = [...first]
  long.forEach((level, i) => {
    merged[level] = merge(first[level], rest[i])
  })
  return merged
}

async function firstLook(client: ReplicaClient, signal: AbortSignal): Promise<FirstLook> {
  const { listUpwards } = client
  const dense = LEVELS.filter((level) => !listUpwards || level < SPARSE_LEVEL)
  const [sparse, ...levels] = await Promise.all([
    listUpwards ? take(listUpwards.call(client, SPARSE_LEVEL, { signal })) : [],
    ...dense.map((level) => take(client.list(level, { signal }))),
  ])
  const files = LEVELS.map((level) => levels[level] ?? sparse.filter((file) => file.level === level))
  // If the listing of several levels was truncated, the highest listed level is incomplete and the
  // levels above are missing.
  const whole = sparse.length < LIST_PAGE ? SNAPSHOT_LEVEL + 1 : sparse[sparse.length - 1].level
  return { files, long: LEVELS.filter((level) => files[level].length >= LIST_PAGE || level >= whole) }
}

async function take(listing: AsyncIterable<LtxFileInfo>): Promise<LtxFileInfo[]> {
  const files: LtxFileInfo[] = []
  for await (const file of listing) {
    files.push(file)
    if (files.length === LIST_PAGE) break
  }
  return files
}

/** Returns the TXID up to which the files are contiguous. */
function reachOf(files: FilesByLevel): number {
  // If the target is a time, selectPlan does not throw at a gap. The plan then ends before the gap.
  return selectPlan(files, { timestamp: Number.POSITIVE_INFINITY }).at(-1)?.maxTxid ?? 0
}

/** Estimates the maximum number of TXIDs in a file of the level, based on the known files. */
function span(files: readonly LtxFileInfo[]): number {
  return files.reduce((widest, file) => Math.max(widest, file.maxTxid - file.minTxid), 0)
}

function merge(a: readonly LtxFileInfo[], b: readonly LtxFileInfo[]): LtxFileInfo[] {
  const seen = new Set(a.map((file) => `${file.minTxid}-${file.maxTxid}`))
  return [...a, ...b.filter((file) => !seen.has(`${file.minTxid}-${file.maxTxid}`))].sort(
    (x, y) => x.minTxid - y.minTxid || x.maxTxid - y.maxTxid,
  )
}
