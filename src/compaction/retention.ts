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
  /**
   * Minimum age at which retention deletes an L0 file. L0 files that are not compacted are never
   * deleted. If `l0Retention` is 0, L0 files are kept forever.
   */
  readonly l0Retention: Duration
  /** The current time. Default: the time of the call. */
  readonly now?: Instant
  /**
   * Returns the creation time of a file in milliseconds since the epoch. Default: `file.createdAt`.
   */
  readonly createdAt?: (file: LtxFileInfo) => number
  /**
   * How long retention keeps the files from before a divergence (`retention.diverged`). With the
   * value 0, retention treats files from before a divergence like all other files. Default: 30
   * days.
   */
  readonly diverged?: Duration
  /** Stops the deletion. Files that were already deleted stay deleted. */
  readonly signal?: AbortSignal
}

export interface SnapshotRetentionOptions {
  /** Minimum age at which retention deletes a snapshot. */
  readonly retention: Duration
  /** The current time. Default: the time of the call. */
  readonly now?: Instant
  /**
   * Returns the creation time of a file in milliseconds since the epoch. Default: `file.createdAt`.
   */
  readonly createdAt?: (file: LtxFileInfo) => number
  /**
   * How long retention keeps the files from before a divergence (`retention.diverged`). With the
   * value 0, retention treats files from before a divergence like all other files. Default: 30
   * days.
   */
  readonly diverged?: Duration
  /** Stops the deletion. Files that were already deleted stay deleted. */
  readonly signal?: AbortSignal
}

/**
 * Deletes L0 files that are older than `l0Retention` if L1 files contain their transactions. Also
 * deletes older L0 files before the first L1 file if a snapshot contains their transactions. L0
 * files that were merged into one L1 file are deleted together, when all of them are old enough. L0
 * files that were merged into one L1 file depend on each other, because a restore to the TXID of
 * one of them needs the earlier ones.
 *
 * Never deletes the newest L0 file. Never deletes a file that a restore to the state before a
 * recorded divergence needs. Returns the deleted files. Throws LTX_CORRUPT and deletes no file if
 * the divergence record is damaged.
 */
export async function enforceL0Retention(
  client: ReplicaClient,
  options: Resolved<L0RetentionOptions>,
): Promise<LtxFileInfo[]> {
  const doomed = await oldL0Files(client, options)
  await client.delete(doomed, options.signal ? { signal: options.signal } : {})
  return doomed
}

/** Returns the files that `enforceL0Retention` would delete. */
export async function oldL0Files(client: ReplicaClient, options: Resolved<L0RetentionOptions>): Promise<LtxFileInfo[]> {
  const { l0Retention, now = Date.now(), createdAt = timeOf, signal } = options
  if (l0Retention <= 0) return []
  const compacted = await listLevel(client, 1, 0, signal)
  if (compacted.length === 0) return []
  const snapshots = await listLevel(client, SNAPSHOT_LEVEL, 0, signal)
  const files = await listLevel(client, 0, 0, signal)
  const newest = files.at(-1)
  // `createdAt` must be called for every file, because FileAges calculates the age of some files
  // from the time of the first call.
  const young = new Set(files.filter((file) => createdAt(file) >= now - l0Retention || file === newest))

  const inSnapshot = (file: LtxFileInfo) => snapshots.some((snapshot) => snapshot.maxTxid >= file.maxTxid)

  // If a snapshot contains the L0 files before the first L1 file, these L0 files are one more
  // group.
  const beforeLevel1 = compacted[0]!.minTxid - 1
  const groups = compacted.map(({ minTxid, maxTxid }) => ({ minTxid, maxTxid }))
  if (snapshots.some(({ maxTxid }) => maxTxid >= beforeLevel1)) groups.unshift({ minTxid: 1, maxTxid: beforeLevel1 })
  const doomed: LtxFileInfo[] = []
  let next = 0
  for (const { minTxid, maxTxid } of groups) {
    const group: LtxFileInfo[] = []
    for (; next < files.length && files[next]!.maxTxid <= maxTxid; next++) {
      // If a snapshot contains the transactions of a damaged L0 file, compaction skips the file.
      // The L1 files have a gap at the TXID of an L0 file that compaction skipped.
      if (files[next]!.minTxid >= minTxid || inSnapshot(files[next]!)) group.push(files[next]!)
    }
    if (group.some((file) => young.has(file))) break
    doomed.push(...group)
  }
  return notHeld(client, doomed, options)
}

/**
 * Deletes snapshots that are older than `retention`, except the newest snapshot. Deletes files of
 * levels 1 to 8 that end before the newest deleted snapshot, except the newest file of each level.
 * Files between that snapshot and the next snapshot are deleted in a later run, because a running
 * restore or a reader may still use them.
 *
 * Deletes the files of levels 1 to 8 first and the snapshots last. If a run is interrupted, the
 * next run therefore still finds the snapshots and deletes the remaining files. Never deletes a
 * file that a restore to the state before a divergence needs. Returns the deleted files. Throws
 * LTX_CORRUPT and deletes no file if the divergence record is damaged.
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

/**
 * Returns the files that enforceSnapshotRetention would delete, ordered by level, snapshots last.
 */
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
 * Returns the files of `doomed` that no restore to the state before a divergence needs (see
 * levels/divergence-record.ts). Throws LTX_CORRUPT.
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
