import { planRestore } from '../levels/plan.js'
import { planAround } from '../levels/plan-around.js'
import { LtxEncoder, type LtxHeaderInit } from '../ltx/encoder.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { MAX_INPUTS, type MergeFilesOptions, mergeFiles } from './compact.js'

/** Maximum number of new plans because files were deleted meanwhile. */
const MAX_REPLANS = 5

/**
 * Makes a snapshot of the newest state from the files of the replica, without the database, by
 * merging the files of a restore plan. Returns undefined if the newest snapshot is already that
 * state. If the plan is very long, only its first files are merged, which gives a somewhat older
 * state; compaction shortens plans. A damaged file is avoided if other files reach as far. Throws
 * as planRestore and mergeLtx do.
 */
export function createSnapshot(
  client: ReplicaClient,
  options: MergeFilesOptions = {},
): Promise<LtxFileInfo | undefined> {
  const { signal } = options
  return planAround({
    maxVanished: MAX_REPLANS,
    plan: (without) => planRestore(client, { without, ...(signal ? { signal } : {}) }),
    use: async (plan) => {
      if (plan.length === 1 && plan[0]!.level === SNAPSHOT_LEVEL) return undefined
      return mergeFiles(client, plan.slice(0, MAX_INPUTS), SNAPSHOT_LEVEL, options)
    },
  })
}

/** Pages of a database, ascending; see LtxEncoder.pages. */
export interface SnapshotPages {
  readonly pgnos: Uint32Array
  readonly pages: Uint8Array
}

/**
 * Writes a snapshot of a live database: all of its pages except the lock page, as they were at
 * `header.maxTxid`.
 */
export async function writeSnapshot(
  client: ReplicaClient,
  header: Omit<LtxHeaderInit, 'minTxid'> & { readonly timestamp: number },
  pages: AsyncIterable<SnapshotPages>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<LtxFileInfo> {
  const encoder = new LtxEncoder({ ...header, minTxid: 1 })
  const body = async function* () {
    yield encoder.start()
    for await (const batch of pages) yield encoder.pages(batch.pgnos, batch.pages)
    yield encoder.finish()
  }
  const { timestamp, maxTxid } = header
  return client.write({ level: SNAPSHOT_LEVEL, minTxid: 1, maxTxid }, body(), { timestamp, ...options })
}
