import { isLitestreamError } from '../errors.js'
import { type PlanOptions, planRestore } from '../levels/plan.js'
import type { LegacyObjects, LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import type { Resolved } from '../util/check-arguments.js'
import { listV3, newestTime, selectV3, type V3Plan } from './v3/objects.js'

/**
 * The source of a restore: LTX files, or files that Litestream 0.3 wrote to the same URL before.
 */
export type RestoreSource =
  | { readonly format: 'ltx'; readonly plan: LtxFileInfo[] }
  | { readonly format: 'v0.3'; readonly objects: LegacyObjects; readonly plan: V3Plan }

/**
 * Litestream's rule for a URL with both formats: the older format is restored if the other has no
 * usable files, if nothing newer was written in the other, or, with a timestamp, if its last
 * snapshot before that time is later. A TXID selects LTX. Throws as planRestore.
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
