import { LEVELS, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { type FilesByLevel, selectPlan } from './plan.js'

/** Files that a store gives with one LIST. */
const LIST_PAGE = 1000
/** From here on levels have few files, a dozen an hour or fewer: where the store can, one LIST brings them all. */
const SPARSE_LEVEL = 2

/** The beginning of every level, and which levels have more. */
interface FirstLook {
  readonly files: LtxFileInfo[][]
  readonly long: readonly number[]
}

/**
 * The files that matter for the newest state, in two round trips at the most: the first LIST of every level at once; then, of levels
 * that are longer than one LIST, only what lies beyond what the short levels reach. (A day of 30-second files is three LISTs, one
 * after another; five-minute files, which cover all but the end of them, are one.)
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
  // What the first LIST of a long level had is not wrong, only not all.
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
  // A listing of several levels that was cut has the last of them in part, and those above it not at all.
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

/** The TXID that files lead to without a gap. */
function reachOf(files: FilesByLevel): number {
  // With a time target a plan ends where the files do, and a gap is no error: what is asked here is just how far they lead.
  return selectPlan(files, { timestamp: Number.POSITIVE_INFINITY }).at(-1)?.maxTxid ?? 0
}

/** How far before a TXID the file of a level may begin that contains it, judging by those that are known. */
function span(files: readonly LtxFileInfo[]): number {
  return files.reduce((widest, file) => Math.max(widest, file.maxTxid - file.minTxid), 0)
}

function merge(a: readonly LtxFileInfo[], b: readonly LtxFileInfo[]): LtxFileInfo[] {
  const seen = new Set(a.map((file) => `${file.minTxid}-${file.maxTxid}`))
  return [...a, ...b.filter((file) => !seen.has(`${file.minTxid}-${file.maxTxid}`))].sort(
    (x, y) => x.minTxid - y.minTxid || x.maxTxid - y.maxTxid,
  )
}
