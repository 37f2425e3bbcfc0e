import { oldSnapshots } from '../compaction/retention.js'
import { type FilesByLevel, selectPlan } from '../levels/plan.js'
import { relativeName } from '../storage/keys.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { missingIn } from './check-destination.js'
import type { MirrorPair } from './copy-file.js'

/**
 * The files of the destination that its retention deletes: only files that the source has deleted,
 * and never those that a restore of the newest state needs. `retention`: see MirrorOptions; L0
 * files always follow the source.
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

/** Whether the newest state can still be restored without the files `gone`. */
function leadsAsFar(copies: FilesByLevel, gone: ReadonlySet<LtxFileInfo>): boolean {
  const left = copies.map((files) => files.filter((file) => !gone.has(file)))
  return restorableTxid(left) >= restorableTxid(copies)
}

/**
 * The last file of a restore to the newest state; undefined if the files lead to none. A time as
 * target, unlike none, does not require that every file can be reached.
 */
export function newestRestorable(levels: FilesByLevel): LtxFileInfo | undefined {
  return selectPlan(levels, { timestamp: Number.MAX_VALUE }).at(-1)
}

/** The newest TXID to which the files of a listing lead; 0 if they lead to none. */
export function restorableTxid(levels: FilesByLevel): number {
  return newestRestorable(levels)?.maxTxid ?? 0
}
