import { oldSnapshots } from '../compaction/retention.js'
import { type FilesByLevel, selectPlan } from '../levels/plan.js'
import { relativeName } from '../storage/keys.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { missingIn } from './check-destination.js'
import type { MirrorPair } from './copy-file.js'

/**
 * Returns the files that must be deleted in the destination. The source has deleted these files,
 * and a restore of the newest state does not need them. MirrorOptions describes `retention`. L0
 * files are deleted as soon as the source has deleted them, regardless of `retention`.
 */
export async function endedFiles(
  { destination }: MirrorPair,
  source: FilesByLevel,
  copies: FilesByLevel,
  retention: number | undefined,
  signal: AbortSignal | undefined,
): Promise<LtxFileInfo[]> {
  const gone = new Set(missingIn(copies, source))
  if (retention !== undefined) {
    const old = await oldSnapshots(destination, { retention, ...(signal ? { signal } : {}) })
    const ended = new Set(old.map(relativeName))
    for (const file of gone) if (file.level !== 0 && !ended.has(relativeName(file))) gone.delete(file)
  }
  return gone.size > 0 && leadsAsFar(copies, gone) ? [...gone] : []
}

/** Returns whether a restore that cannot use the files `gone` still reaches the newest state. */
function leadsAsFar(copies: FilesByLevel, gone: ReadonlySet<LtxFileInfo>): boolean {
  const left = copies.map((files) => files.filter((file) => !gone.has(file)))
  return restorableTxid(left) >= restorableTxid(copies)
}

/**
 * Returns the last file of a restore to the newest state. Returns undefined if no state can be
 * restored. The restore plan has a time as its target, because selectPlan then does not throw at a
 * gap.
 */
export function newestRestorable(levels: FilesByLevel): LtxFileInfo | undefined {
  return selectPlan(levels, { timestamp: Number.MAX_VALUE }).at(-1)
}

/**
 * Returns the newest TXID that can be restored from the files of a listing, or 0 if no state can be
 * restored.
 */
export function restorableTxid(levels: FilesByLevel): number {
  return newestRestorable(levels)?.maxTxid ?? 0
}
