import { oldSnapshots } from '../compaction/retention.js'
import { isLitestreamError } from '../errors.js'
import { type FilesByLevel, selectPlan } from '../levels/plan.js'
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
    const ended = new Set(old.map(nameOf))
    for (const file of gone) if (file.level !== 0 && !ended.has(nameOf(file))) gone.delete(file)
  }
  return gone.size > 0 && leadsAsFar(copies, gone) ? [...gone] : []
}

/** Whether the newest state can still be restored without the files `gone`. */
function leadsAsFar(copies: FilesByLevel, gone: ReadonlySet<LtxFileInfo>): boolean {
  const left = copies.map((files) => files.filter((file) => !gone.has(file)))
  return restorableTxid(left) >= restorableTxid(copies)
}

/** The newest TXID that the files of a listing reach; 0 if they reach none. */
export function restorableTxid(levels: FilesByLevel): number {
  try {
    return selectPlan(levels).at(-1)?.maxTxid ?? 0
  } catch (error) {
    if (!isLitestreamError(error, 'LTX_GAP')) throw error
    return restorableBeforeGap(levels)
  }
}

/**
 * Like selectPlan, for a listing with unreachable files: a time as target does not require all
 * files.
 */
function restorableBeforeGap(levels: FilesByLevel): number {
  return selectPlan(levels, { timestamp: Number.MAX_VALUE }).at(-1)?.maxTxid ?? 0
}

function nameOf({ level, minTxid, maxTxid }: LtxFileInfo): string {
  return `${level}/${minTxid}-${maxTxid}`
}
