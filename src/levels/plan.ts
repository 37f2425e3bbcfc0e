import { isLitestreamError, LitestreamError } from '../errors.js'
import { LEVELS, MAX_COMPACTION_LEVEL, SNAPSHOT_LEVEL } from '../ltx/format.js'
import { formatTxid } from '../ltx/txid.js'
import type { ListOptions, LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { runAll } from '../util/run-all.js'
import { formatTimestamp, type Instant } from '../util/timestamp.js'
import { fileContent } from './file-identity.js'

/** The target of a plan; without a field, the newest state. At most one field. */
export interface PlanTarget {
  /** Exactly this TXID. */
  readonly txid?: number
  /** The last state before this time, milliseconds since the epoch. */
  readonly timestamp?: number
}

/**
 * The files of a replica: the element `n` holds those of level `n` in ascending (min, max) order.
 */
export type FilesByLevel = readonly (readonly LtxFileInfo[])[]

/** selectPlan with the URL of the replica in its errors. */
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
 * Chooses the files that make up the database at the target, to be applied in the returned order;
 * of each page the newest version counts. The rule is Litestream's: the newest snapshot that is not
 * beyond the target, then repeatedly the file that is contiguous with the ones before, or overlaps
 * them, and reaches farthest. Returns an empty plan if no files reach the target.
 *
 * Throws LTX_GAP if the target is the newest state and some file cannot be reached.
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
 * The files that lead from a database at TXID `after` to the newest state, over a snapshot if files
 * in between were deleted. Empty if no newer file exists. Throws LTX_GAP if newer files exist but
 * cannot be reached.
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

/** A file of the snapshot level that does not begin at TXID 1 is not a snapshot. */
function snapshotsOf(files: FilesByLevel): readonly LtxFileInfo[] {
  return (files[SNAPSHOT_LEVEL] ?? []).filter(({ minTxid }) => minTxid === 1)
}

/**
 * The files that continue from `after` through levels 8 to 0, and the first file beyond them that
 * cannot be reached.
 */
function wayFrom(
  files: FilesByLevel,
  after: number,
  eligible: (file: LtxFileInfo) => boolean,
): { readonly path: LtxFileInfo[]; readonly reached: number; readonly beyond: LtxFileInfo | undefined } {
  const path: LtxFileInfo[] = []
  let reached = after
  // One cursor per level. Files are sorted by min TXID, so all files before a cursor are reachable;
  // `farthest` is the reachable file that ends last.
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

/** Greatest max TXID; then smallest min TXID, higher level, earlier creation. */
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

/** `txid` or `timestamp`, not both; without them, the plan leads to the newest state. */
export interface PlanOptions {
  /** Exactly this TXID. */
  readonly txid?: number
  /** The last state before this time. */
  readonly timestamp?: Instant
  /** Damaged files (`fileContent`) that the plan must not contain. */
  readonly without?: ReadonlySet<string>
  /** Aborts the listing; its promise then rejects. */
  readonly signal?: AbortSignal
}

/**
 * Listings report the store's own time of writing; a file written this long before the target is
 * certainly older.
 */
const CLOCK_MARGIN_MS = 10 * 60_000
const STATS_IN_PARALLEL = 50
/** Times that a plan lists the replica again because a file was deleted while it was made. */
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
 * Lists `level`, optionally from a TXID on, and every level above it; in one request if the store
 * supports that, up to a thousand files (more files take further requests in sequence). For callers
 * that list many replicas, or list often.
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
 * Lists a replica and plans a restore. Throws REPLICA_EMPTY if it has no files, TXID_NOT_AVAILABLE
 * if no files reach the target, LTX_GAP as selectPlan does.
 */
export async function planRestore(client: ReplicaClient, options: Resolved<PlanOptions> = {}): Promise<LtxFileInfo[]> {
  const { txid, timestamp, signal, without } = options
  if (txid !== undefined && timestamp !== undefined) {
    throw new LitestreamError('INVALID_ARGUMENT', 'a restore takes a TXID or a timestamp, not both', {
      hint: 'Give only -txid or only -timestamp.',
    })
  }
  const list = async () => withoutFiles(await listLevels(client, signal), without)
  let files = await list()
  if (files.every((level) => level.length === 0)) {
    throw new LitestreamError('REPLICA_EMPTY', `${client.url}: no backup files found`, {
      file: client.url,
      hint: 'Check the replica URL, and check that a primary has replicated to it at least once.',
    })
  }
  for (let relists = 0; timestamp !== undefined; relists++) {
    try {
      files = await withTimestamps(client, files, timestamp, signal)
      break
    } catch (error) {
      // Retention deleted a file after it was listed: the next listing has what replaced it.
      if (!isLitestreamError(error, 'NOT_FOUND') || relists === MAX_RELISTS) throw error
      files = await list()
    }
  }
  const target = { ...(txid === undefined ? {} : { txid }), ...(timestamp === undefined ? {} : { timestamp }) }
  let plan: LtxFileInfo[]
  try {
    plan = selectPlan(files, target)
  } catch (error) {
    // The levels were not listed at one instant: a file may have been deleted from one level before
    // its replacement was listed in another.
    if (!isLitestreamError(error, 'LTX_GAP')) throw error
    plan = planOf(client, await list(), target)
  }
  if (plan.length === 0) throw notAvailable(client, files, target)
  return plan
}

/** The files of a listing without those in `without`. */
export function withoutFiles(files: FilesByLevel, without: ReadonlySet<string> | undefined): LtxFileInfo[][] {
  return files.map((level) => level.filter((file) => !without?.size || !without.has(fileContent(file))))
}

/**
 * Replaces a listing's times by those of the LTX headers where that can change the plan. A file is
 * never written before the time in its header, so files written well before the target need no
 * request.
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
        hint: `Choose a TXID at which a file ends; a TXID inside a compacted file cannot be restored. The nearest ${near.length === 1 ? 'is' : 'are'} ${near.join(' and ')}.`,
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
