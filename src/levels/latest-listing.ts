import { LEVELS, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { type FilesByLevel, selectPlan } from './plan.js'

/** Maximum number of files in one LIST response. */
const LIST_PAGE = 1000
/**
 * Levels from this one on have few files, a dozen per hour or fewer: one LIST returns all of them
 * if the store supports that.
 */
const SPARSE_LEVEL = 2

/** The first LIST page of every level, and the levels that have more. */
interface FirstLook {
  readonly files: LtxFileInfo[][]
  readonly long: readonly number[]
}

/**
 * Lists the files that determine the newest state, in at most two round trips: the first LIST of
 * every level in parallel; then, for levels longer than one LIST, only the files beyond the end of
 * the short levels. (One day of 30-second files takes three LISTs in sequence; five-minute files,
 * which cover all but the end of them, take one.)
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
  // The first LIST of a long level is correct, only incomplete.
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
  // A truncated listing of several levels contains the last of them only in part, and no level
  // above it.
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

/** The TXID up to which the files are contiguous. */
function reachOf(files: FilesByLevel): number {
  // With a time target, a plan ends at the last contiguous file and a gap is no error: the caller
  // needs only that TXID.
  return selectPlan(files, { timestamp: Number.POSITIVE_INFINITY }).at(-1)?.maxTxid ?? 0
}

/**
 * How far before a TXID the level's file that contains it may begin, estimated from the known
 * files.
 */
function span(files: readonly LtxFileInfo[]): number {
  return files.reduce((widest, file) => Math.max(widest, file.maxTxid - file.minTxid), 0)
}

function merge(a: readonly LtxFileInfo[], b: readonly LtxFileInfo[]): LtxFileInfo[] {
  const seen = new Set(a.map((file) => `${file.minTxid}-${file.maxTxid}`))
  return [...a, ...b.filter((file) => !seen.has(`${file.minTxid}-${file.maxTxid}`))].sort(
    (x, y) => x.minTxid - y.minTxid || x.maxTxid - y.maxTxid,
  )
}
