import { DIVERGED_RETENTION_MS } from '../levels/diverged-retention.js'
import { withoutHeld } from '../levels/divergence-record.js'
import { listTogether } from '../levels/plan.js'
import { MAX_COMPACTION_LEVEL, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'
import type { Instant } from '../util/timestamp.js'
import { listLevel } from './compact.js'

export interface L0RetentionOptions {
  /** How long an L0 file is kept after it was compacted; 0: forever. */
  readonly l0Retention: Duration
  /** The current time; default: now. */
  readonly now?: Instant
  /** Creation time of a file in milliseconds since the epoch; default: its `createdAt`. */
  readonly createdAt?: (file: LtxFileInfo) => number
  /**
   * How long the files stay that a restore to the moment before a divergence needs
   * (`retention.diverged`); default: 30 days. 0: no longer than others.
   */
  readonly diverged?: Duration
  /** Aborts the work; the files deleted so far stay deleted. */
  readonly signal?: AbortSignal
}

export interface SnapshotRetentionOptions {
  /** How long snapshots, and the files between them, are kept. */
  readonly retention: Duration
  /** The current time; default: now. */
  readonly now?: Instant
  /** Creation time of a file in milliseconds since the epoch; default: its `createdAt`. */
  readonly createdAt?: (file: LtxFileInfo) => number
  /**
   * How long the files stay that a restore to the moment before a divergence needs
   * (`retention.diverged`); default: 30 days. 0: no longer than others.
   */
  readonly diverged?: Duration
  /** Aborts the work; the files deleted so far stay deleted. */
  readonly signal?: AbortSignal
}

/**
 * Deletes L0 files that are old enough and whose transactions are in level 1, or in a snapshot
 * before level 1 begins. The L0 files of one L1 file are deleted together, when the youngest is old
 * enough, because a TXID among them needs all files before it. The newest file is kept, and so is
 * what a restore to the state before a divergence needs. Returns the deleted files. If the record
 * of divergences is damaged, throws LTX_CORRUPT and deletes nothing.
 */
export async function enforceL0Retention(
  client: ReplicaClient,
  options: Resolved<L0RetentionOptions>,
): Promise<LtxFileInfo[]> {
  const doomed = await oldL0Files(client, options)
  await client.delete(doomed, options.signal ? { signal: options.signal } : {})
  return doomed
}

/** The files that enforceL0Retention would delete. */
export async function oldL0Files(client: ReplicaClient, options: Resolved<L0RetentionOptions>): Promise<LtxFileInfo[]> {
  const { l0Retention, now = Date.now(), createdAt = timeOf, signal } = options
  if (l0Retention <= 0) return []
  const compacted = await listLevel(client, 1, 0, signal)
  if (compacted.length === 0) return []
  const snapshots = await listLevel(client, SNAPSHOT_LEVEL, 0, signal)
  const files = await listLevel(client, 0, 0, signal)
  const newest = files.at(-1)
  // Reads `createdAt` of every file, also of files after the first one that is too young:
  // `createdAt` may count from its first query.
  const young = new Set(files.filter((file) => createdAt(file) >= now - l0Retention || file === newest))

  const inSnapshot = (file: LtxFileInfo) => snapshots.some((snapshot) => snapshot.maxTxid >= file.maxTxid)

  // The TXIDs before level 1 count as one more of its files if a snapshot contains them.
  const beforeLevel1 = compacted[0]!.minTxid - 1
  const groups = compacted.map(({ minTxid, maxTxid }) => ({ minTxid, maxTxid }))
  if (snapshots.some(({ maxTxid }) => maxTxid >= beforeLevel1)) groups.unshift({ minTxid: 1, maxTxid: beforeLevel1 })
  const doomed: LtxFileInfo[] = []
  let next = 0
  for (const { minTxid, maxTxid } of groups) {
    const group: LtxFileInfo[] = []
    for (; next < files.length && files[next]!.maxTxid <= maxTxid; next++) {
      // A damaged file that compaction skipped lies between two L1 files, and a snapshot contains
      // its transactions.
      if (files[next]!.minTxid >= minTxid || inSnapshot(files[next]!)) group.push(files[next]!)
    }
    if (group.some((file) => young.has(file))) break
    doomed.push(...group)
  }
  return notHeld(client, doomed, options)
}

/**
 * Deletes snapshots that are too old, but never the newest, and files of levels 1 to 8 that end
 * before the last snapshot that is too old. One generation is kept for running restores and
 * readers, and the newest file of every level. Levels are deleted before snapshots, so that the
 * next run finds everything that an interrupted run left. Files for a restore to the state before a
 * divergence are kept. Returns the deleted files. If the record of divergences is damaged, throws
 * LTX_CORRUPT and deletes nothing.
 */
export async function enforceSnapshotRetention(
  client: ReplicaClient,
  options: Resolved<SnapshotRetentionOptions>,
): Promise<LtxFileInfo[]> {
  const doomed = await oldSnapshots(client, options)
  for (const level of new Set(doomed.map((file) => file.level))) {
    const files = doomed.filter((file) => file.level === level)
    await client.delete(files, options.signal ? { signal: options.signal } : {})
  }
  return doomed
}

/** The files that enforceSnapshotRetention would delete, level by level, snapshots last. */
export async function oldSnapshots(
  client: ReplicaClient,
  options: Resolved<SnapshotRetentionOptions>,
): Promise<LtxFileInfo[]> {
  const { retention, now = Date.now(), createdAt = timeOf, signal } = options
  const snapshots = await listLevel(client, SNAPSHOT_LEVEL, 0, signal)
  const old = snapshots.slice(0, -1).filter((file) => createdAt(file) < now - retention)
  const floor = old.at(-1)?.maxTxid ?? 0
  if (floor === 0) return []
  const doomed: LtxFileInfo[] = []
  for (let level = 1; level <= MAX_COMPACTION_LEVEL; level++) {
    const files = await listLevel(client, level, 0, signal)
    doomed.push(...files.slice(0, -1).filter(({ maxTxid }) => maxTxid < floor))
  }
  return notHeld(client, [...doomed, ...old], options)
}

/**
 * The files of `doomed` that may be deleted although databases have diverged: see
 * levels/divergence-record.ts. Throws LTX_CORRUPT.
 */
function notHeld(
  client: ReplicaClient,
  doomed: readonly LtxFileInfo[],
  {
    now = Date.now(),
    diverged: keep = DIVERGED_RETENTION_MS,
    signal,
  }: Resolved<L0RetentionOptions> | Resolved<SnapshotRetentionOptions>,
): Promise<LtxFileInfo[]> {
  const levels = () => listTogether(client, 0, signal ? { signal } : {})
  return withoutHeld(client, doomed, { now, keep, levels, signal })
}

function timeOf(file: LtxFileInfo): number {
  return file.createdAt
}
