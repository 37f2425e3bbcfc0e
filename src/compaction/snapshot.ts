import { planRestore } from '../levels/plan.js'
import { planAround } from '../levels/plan-around.js'
import { LtxEncoder, type LtxHeaderInit } from '../ltx/encoder.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { MAX_INPUTS, type MergeFilesOptions, mergeFiles } from './compact.js'

/** Maximum number of further restore plans after files were deleted during a merge. */
const MAX_REPLANS = 5

/**
 * Writes a snapshot of the newest state by merging the files that a restore plan contains. Does not
 * read the database. Returns undefined if the newest snapshot already contains the newest state. If
 * the plan has more than MAX_INPUTS files, merges only the first MAX_INPUTS files, so the snapshot
 * is older than the newest state. If a file is damaged, makes another plan without that file.
 * Throws the errors of `planRestore` and `mergeLtx`.
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

/**
 * Consecutive pages of a database in ascending order. LtxEncoder.pages takes pages in this form.
 */
export interface SnapshotPages {
  readonly pgnos: Uint32Array
  readonly pages: Uint8Array
}

/**
 * Writes a snapshot of a live database. `pages` yields all pages of the database at
 * `header.maxTxid`, except the lock page.
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
