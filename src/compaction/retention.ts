import { MAX_COMPACTION_LEVEL, SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { listLevel } from './compact.js'

export interface L0RetentionOptions {
  /** How long a file of level 0 stays once it is compacted, ms; 0: for ever. */
  readonly l0Retention: number
  /** Milliseconds since the epoch; default: the present. */
  readonly now?: number
  /** When a file counts as created, milliseconds since the epoch; default: its `createdAt`. */
  readonly createdAt?: (file: LtxFileInfo) => number
  readonly signal?: AbortSignal
}

export interface SnapshotRetentionOptions {
  /** How long snapshots, and what leads from one to the next, stay, ms. */
  readonly retention: number
  readonly now?: number
  readonly createdAt?: (file: LtxFileInfo) => number
  readonly signal?: AbortSignal
}

/**
 * Deletes files of level 0 that are old enough and whose transactions level 1, or a snapshot before it begins, holds. Those that a
 * file of level 1 was made of go together, once the youngest is old enough: a TXID among them is reached only over all before it.
 * The newest file stays. Returns what was deleted.
 */
export async function enforceL0Retention(client: ReplicaClient, options: L0RetentionOptions): Promise<LtxFileInfo[]> {
  const doomed = await oldL0Files(client, options)
  await client.delete(doomed, options.signal ? { signal: options.signal } : {})
  return doomed
}

/** What enforceL0Retention would delete. */
export async function oldL0Files(client: ReplicaClient, options: L0RetentionOptions): Promise<LtxFileInfo[]> {
  const { l0Retention, now = Date.now(), createdAt = timeOf, signal } = options
  if (l0Retention <= 0) return []
  const compacted = await listLevel(client, 1, 0, signal)
  if (compacted.length === 0) return []
  const snapshots = await listLevel(client, SNAPSHOT_LEVEL, 0, signal)
  const files = await listLevel(client, 0, 0, signal)
  const newest = files.at(-1)
  // Of every file, also behind the first young one: `createdAt` may count from when it is first asked.
  const young = new Set(files.filter((file) => createdAt(file) >= now - l0Retention || file === newest))

  const inSnapshot = (file: LtxFileInfo) => snapshots.some((snapshot) => snapshot.maxTxid >= file.maxTxid)

  // What lies before level 1 counts as one more file of it if a snapshot holds that.
  const beforeLevel1 = compacted[0]!.minTxid - 1
  const groups = compacted.map(({ minTxid, maxTxid }) => ({ minTxid, maxTxid }))
  if (snapshots.some(({ maxTxid }) => maxTxid >= beforeLevel1)) groups.unshift({ minTxid: 1, maxTxid: beforeLevel1 })
  const doomed: LtxFileInfo[] = []
  let next = 0
  for (const { minTxid, maxTxid } of groups) {
    const group: LtxFileInfo[] = []
    for (; next < files.length && files[next]!.maxTxid <= maxTxid; next++) {
      // A damaged file that compaction left out lies between two files of level 1, and a snapshot holds its transactions.
      if (files[next]!.minTxid >= minTxid || inSnapshot(files[next]!)) group.push(files[next]!)
    }
    if (group.some((file) => young.has(file))) break
    doomed.push(...group)
  }
  return doomed
}

/**
 * Deletes snapshots that are too old, but never the newest, and files of levels 1 to 8 that end before the last snapshot that
 * is too old: one generation stays for restores and readers under way, and the newest file of every level. The levels go first,
 * so that a run that is cut short leaves nothing that the next one would not find. Returns what was deleted.
 */
export async function enforceSnapshotRetention(
  client: ReplicaClient,
  options: SnapshotRetentionOptions,
): Promise<LtxFileInfo[]> {
  const doomed = await oldSnapshots(client, options)
  for (const level of new Set(doomed.map((file) => file.level))) {
    const files = doomed.filter((file) => file.level === level)
    await client.delete(files, options.signal ? { signal: options.signal } : {})
  }
  return doomed
}

/** What enforceSnapshotRetention would delete, level by level, snapshots last. */
export async function oldSnapshots(client: ReplicaClient, options: SnapshotRetentionOptions): Promise<LtxFileInfo[]> {
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
  return [...doomed, ...old]
}

function timeOf(file: LtxFileInfo): number {
  return file.createdAt
}
