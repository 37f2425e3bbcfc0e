import { isLitestreamError } from '../errors.js'
import { type PlanOptions, planRestore } from '../levels/plan.js'
import type { LegacyObjects, LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { listV3, newestTime, selectV3, type V3Plan } from './v3/objects.js'

/**
 * The files from which a restore reads, which are LTX files, or files that Litestream 0.3 wrote to
 * the same URL earlier.
 */
export type RestoreSource =
  | { readonly format: 'ltx'; readonly plan: LtxFileInfo[] }
  | { readonly format: 'v0.3'; readonly objects: LegacyObjects; readonly plan: V3Plan }

/**
 * Chooses between LTX files and files of Litestream 0.3 by the same rule as Litestream. Files of
 * Litestream 0.3 are chosen if the replica has no usable LTX file. Without a timestamp, files of
 * Litestream 0.3 are also chosen if they are newer than all LTX files. With a timestamp, files of
 * Litestream 0.3 are also chosen if their last snapshot before this time is newer than the first
 * LTX file of the plan. With a TXID, LTX files are always chosen. Throws the errors of planRestore.
 */
export async function chooseSource(client: ReplicaClient, options: Resolved<PlanOptions>): Promise<RestoreSource> {
  const { txid, timestamp, signal } = options
  const { legacy } = client
  const listing = legacy && txid === undefined ? await listV3(legacy, signal) : undefined
  const older = (): RestoreSource | undefined => {
    const plan = listing && selectV3(listing, timestamp)
    return plan && { format: 'v0.3', objects: legacy!, plan }
  }
  let plan: LtxFileInfo[]
  try {
    plan = await planRestore(client, options)
  } catch (error) {
    if (!isLitestreamError(error, 'REPLICA_EMPTY', 'TXID_NOT_AVAILABLE')) throw error
    const source = older()
    if (!source) throw error
    return source
  }
  if (!listing || listing.snapshots.length === 0) return { format: 'ltx', plan }
  if (timestamp === undefined) {
    const newer = newestTime(listing) > plan.at(-1)!.createdAt
    return (newer && older()) || { format: 'ltx', plan }
  }
  const source = older()
  const later = source?.format === 'v0.3' && source.plan.snapshot.createdAt > plan[0]!.createdAt
  return later ? source : { format: 'ltx', plan }
}
