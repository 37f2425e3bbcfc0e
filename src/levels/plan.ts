import { isLitestreamError, LitestreamError } from '../errors.js'
import { LEVELS, MAX_COMPACTION_LEVEL, SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { ListOptions, LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { runAll } from '../util/run-all.js'
import { formatTimestamp, type Instant } from '../util/timestamp.js'
import { fileContent } from './file-identity.js'

/**
 * The target of a restore plan. At most one field may be set. If no field is set, the target is the
 * newest state.
 */
export interface PlanTarget {
  /** The exact TXID to restore. */
  readonly txid?: number
  /** The plan restores the last state before `timestamp`, in milliseconds since the epoch. */
  readonly timestamp?: number
}

/**
 * The files of a replica, where element `n` contains the files of level `n` in ascending order of
 * min TXID and max TXID.
 */
export type FilesByLevel = readonly (readonly LtxFileInfo[])[]

/** Calls selectPlan, and adds the URL of the replica to its errors. */
function planOf(client: ReplicaClient, files: FilesByLevel, target: PlanTarget): LtxFileInfo[] {
  try {
    return selectPlan(files, target)
  } catch (error) {
    if (!isLitestreamError(error, 'LTX_GAP')) throw error
    const { code, message, hint } = error
    throw new LitestreamError(code, `${client.url}: ${message}`, { file: client.url, hint })
  }
}

/**
 * Selects the files of a restore to the target, in the order in which a restore applies the files.
 * A page of a later file replaces the same page of an earlier file. As in Litestream, the first
 * file is the newest snapshot that is not after the target. Each next file must continue or overlap
 * the previous file. If several files do, the file with the highest max TXID is selected. Returns
 * an empty plan if the files do not reach the target.
 *
 * Throws LTX_GAP if the target is the newest state and a gap precedes the newest files.
 */
export function selectPlan(files: FilesByLevel, target: PlanTarget = {}): LtxFileInfo[] {
  const { txid = Number.POSITIVE_INFINITY, timestamp = Number.POSITIVE_INFINITY } = target
  const eligible = (file: LtxFileInfo) => file.maxTxid <= txid && file.createdAt < timestamp
  const snapshot = snapshotsOf(files).findLast(eligible)
  const { path, reached, beyond } = wayFrom(files, snapshot?.maxTxid ?? 0, eligible)
  if (target.txid !== undefined && reached !== target.txid) return []
  if (target.txid === undefined && target.timestamp === undefined && beyond) throw gap(reached, beyond)
  return snapshot ? [snapshot, ...path] : path
}

/**
 * Selects the files that bring a database from TXID `after` to the newest state. If retention
 * deleted the files directly after TXID `after`, the first selected file is a snapshot. Returns an
 * empty list if the replica has no newer files. Throws LTX_GAP if the newer files do not reach the
 * newest state.
 */
export function selectFollowing(files: FilesByLevel, after: number): LtxFileInfo[] {
  const direct = wayFrom(files, after, () => true)
  if (!direct.beyond) {
    const snapshot = snapshotsOf(files).at(-1)
    if (direct.path.length > 0 || !snapshot || snapshot.maxTxid <= after) return direct.path
  }
  const snapshot = snapshotsOf(files).at(-1)
  if (!snapshot || snapshot.maxTxid <= direct.reached) {
    if (direct.path.length > 0) return direct.path
    throw gap(direct.reached, direct.beyond!)
  }
  return [snapshot, ...wayFrom(files, snapshot.maxTxid, () => true).path]
}

/** Returns the snapshots, which are the files of level 9 that begin at TXID 1. */
function snapshotsOf(files: FilesByLevel): readonly LtxFileInfo[] {
  return (files[SNAPSHOT_LEVEL] ?? []).filter(({ minTxid }) => minTxid === 1)
}

/**
 * Selects files of levels 8 to 0 that continue after TXID `after`. Also returns the first file
 * after a gap, if any.
 */
function wayFrom(
  files: FilesByLevel,
  after: number,
  eligible: (file: LtxFileInfo) => boolean,
): { readonly path: LtxFileInfo[]; readonly reached: number; readonly beyond: LtxFileInfo | undefined } {
  const path: LtxFileInfo[] = []
  let reached = after
  // Each level has a cursor. Files are sorted by min TXID, so every file before the cursor
  // continues or overlaps the selected files. `farthest` is the file with the highest max TXID
  // among the files before the cursor.
  const cursors = Array.from({ length: MAX_COMPACTION_LEVEL + 1 }, (_, level) => ({
    files: (files[level] ?? []).filter(eligible),
    next: 0,
    farthest: undefined as LtxFileInfo | undefined,
  }))
  for (;;) {
    let best: LtxFileInfo | undefined
    for (const cursor of cursors) {
      for (; cursor.next < cursor.files.length; cursor.next++) {
        const file = cursor.files[cursor.next]!
        if (file.minTxid > reached + 1) break
        if (leadsFarther(file, cursor.farthest)) cursor.farthest = file
      }
      const { farthest } = cursor
      if (farthest && farthest.maxTxid > reached && leadsFarther(farthest, best)) best = farthest
    }
    if (!best) break
    path.push(best)
    reached = best.maxTxid
  }
  return {
    path,
    reached,
    beyond: cursors.map((cursor) => cursor.files[cursor.next]).find((file) => file !== undefined),
  }
}

/**
 * Returns whether `file` is better than `than` as the next file of a plan. The best file has the
 * highest max TXID, then the lowest min TXID, then the highest level, then the earliest creation
 * time.
 */
function leadsFarther(file: LtxFileInfo, than: LtxFileInfo | undefined): boolean {
  if (!than) return true
  if (file.maxTxid !== than.maxTxid) return file.maxTxid > than.maxTxid
  if (file.minTxid !== than.minTxid) return file.minTxid < than.minTxid
  if (file.level !== than.level) return file.level > than.level
  return file.createdAt < than.createdAt
}

function gap(reached: number, beyond: LtxFileInfo): LitestreamError {
  return new LitestreamError(
    'LTX_GAP',
    `non-contiguous LTX files: TXID ${formatTxid(reached)} can be restored, but the next file of level ${beyond.level} ` +
      `starts at TXID ${formatTxid(beyond.minTxid)}`,
    {
      hint: `Restore up to TXID ${formatTxid(reached)} (-txid), or write a new snapshot: \`litestream-ts replicate -once -force-snapshot DB URL\`.`,
    },
  )
}

/**
 * Options of a restore plan. At most one of `txid` and `timestamp` may be set. If neither is set,
 * the plan restores the newest state.
 */
export interface PlanOptions {
  /** The exact TXID to restore. */
  readonly txid?: number
  /** The plan restores the last state before `timestamp`. */
  readonly timestamp?: Instant
  /** Damaged files that the plan must not contain, as texts of `fileContent`. */
  readonly without?: ReadonlySet<string>
  /** Aborts the listing, so that the returned promise rejects. */
  readonly signal?: AbortSignal
}

/**
 * Maximum difference in milliseconds between the clock of the store and the clock of the primary.
 * If the store wrote a file more than CLOCK_MARGIN_MS before the target, the transactions in the
 * file are certainly older than the target.
 */
const CLOCK_MARGIN_MS = 10 * 60_000
const STATS_IN_PARALLEL = 50
/** Maximum number of new listings after a file was deleted while a plan was made. */
const MAX_RELISTS = 5

/** Lists every level of a replica in parallel. */
export async function listLevels(client: ReplicaClient, signal?: AbortSignal): Promise<LtxFileInfo[][]> {
  return Promise.all(
    LEVELS.map(async (level) => {
      const files: LtxFileInfo[] = []
      for await (const file of client.list(level, signal ? { signal } : {})) files.push(file)
      return files
    }),
  )
}

/**
 * Lists `level` (optionally from a TXID on) and every level above. If the store supports a listing
 * of several levels, one request returns up to a thousand files of all these levels. listTogether
 * is for callers that list many replicas or list often.
 */
export async function listTogether(
  client: ReplicaClient,
  level = 0,
  options: ListOptions = {},
): Promise<LtxFileInfo[][]> {
  const levels: LtxFileInfo[][] = LEVELS.map(() => [])
  const collect = async (files: AsyncIterable<LtxFileInfo>) => {
    for await (const file of files) levels[file.level]!.push(file)
  }
  if (client.listUpwards) await collect(client.listUpwards(level, options))
  else {
    const above = { ...options, fromTxid: 0 }
    await Promise.all(LEVELS.slice(level).map((each) => collect(client.list(each, each === level ? options : above))))
  }
  return levels
}

/**
 * Lists a replica and makes a restore plan. Throws REPLICA_EMPTY if the replica has no files.
 * Throws TXID_NOT_AVAILABLE if the files do not reach the target. Throws LTX_GAP as selectPlan
 * does.
 */
export async function planRestore(client: ReplicaClient, options: Resolved<PlanOptions> = {}): Promise<LtxFileInfo[]> {
  const { txid, timestamp, signal, without } = options
  if (txid !== undefined && timestamp !== undefined) {
    throw new LitestreamError('INVALID_ARGUMENT', 'a restore takes a TXID or a timestamp, not both', {
      hint: 'Give either -txid or -timestamp, not both.',
    })
  }
  const list = async () => withoutFiles(await listLevels(client, signal), without)
  let files = await list()
  if (files.every((level) => level.length === 0)) {
    throw new LitestreamError('REPLICA_EMPTY', `${client.url}: no backup files found`, {
      file: client.url,
      hint: 'Check the replica URL, and check that a primary has replicated to this URL at least once.',
    })
  }
  for (let relists = 0; timestamp !== undefined; relists++) {
    try {
      files = await withTimestamps(client, files, timestamp, signal)
      break
    } catch (error) {
      // Retention deleted a file after the listing. The next listing contains the file that
      // replaced the deleted file.
      if (!isLitestreamError(error, 'NOT_FOUND') || relists === MAX_RELISTS) throw error
      files = await list()
    }
  }
  const target = { ...(txid === undefined ? {} : { txid }), ...(timestamp === undefined ? {} : { timestamp }) }
  let plan: LtxFileInfo[]
  try {
    plan = selectPlan(files, target)
  } catch (error) {
    // The levels are not listed at the same moment. One level may have been listed before its new
    // file was written, and another level after the merged files were deleted.
    if (!isLitestreamError(error, 'LTX_GAP')) throw error
    plan = planOf(client, await list(), target)
  }
  if (plan.length === 0) throw notAvailable(client, files, target)
  return plan
}

/** Returns the files of a listing except the files in `without`. */
export function withoutFiles(files: FilesByLevel, without: ReadonlySet<string> | undefined): LtxFileInfo[][] {
  return files.map((level) => level.filter((file) => !without?.size || !without.has(fileContent(file))))
}

/**
 * Replaces the creation times in a listing by the timestamps in the LTX headers, if the difference
 * can change the plan. A file's creation time is never earlier than its timestamp. A file that was
 * created long before the target therefore needs no request.
 */
async function withTimestamps(
  client: ReplicaClient,
  files: FilesByLevel,
  timestamp: number,
  signal: AbortSignal | undefined,
): Promise<LtxFileInfo[][]> {
  const exact = files.map((level) => [...level])
  const unsure = exact.flatMap((level) =>
    level.flatMap((file, i) => (file.createdAt >= timestamp - CLOCK_MARGIN_MS ? [{ level, i }] : [])),
  )
  await runAll(
    STATS_IN_PARALLEL,
    unsure.map(({ level, i }) => async () => {
      level[i] = await client.stat(level[i]!, signal ? { signal } : {})
    }),
  )
  return exact
}

function notAvailable(client: ReplicaClient, files: FilesByLevel, target: PlanTarget): LitestreamError {
  const all = files.flat()
  if (target.txid !== undefined) {
    const ends = [...new Set(all.map((file) => file.maxTxid))].sort((a, b) => a - b)
    const below = ends.findLast((txid) => txid < target.txid!)
    const above = ends.find((txid) => txid > target.txid!)
    const near = [below, above].filter((txid) => txid !== undefined).map(formatTxid)
    return new LitestreamError(
      'TXID_NOT_AVAILABLE',
      `${client.url}: no matching backup files available for TXID ${formatTxid(target.txid)}`,
      {
        file: client.url,
        hint: `Choose a TXID at which an LTX file ends, because a TXID inside a compacted file cannot be restored. The nearest ${near.length === 1 ? 'is' : 'are'} ${near.join(' and ')}.`,
      },
    )
  }
  const oldest = all.reduce((time, { createdAt }) => Math.min(time, createdAt), Number.POSITIVE_INFINITY)
  return new LitestreamError('TXID_NOT_AVAILABLE', `${client.url}: no matching backup files available`, {
    file: client.url,
    hint:
      target.timestamp === undefined
        ? 'Write a snapshot: `litestream-ts replicate -once -force-snapshot DB URL`. The replica has no file that begins at TXID 1.'
        : `Choose a later time: the oldest file was written at ${formatTimestamp(oldest)}.`,
  })
}
