import { isLitestreamError } from '../../errors.js'
import type { Relisting } from '../../levels/known-levels.js'
import { type FilesByLevel, selectPlan } from '../../levels/plan.js'
import { MIN_FILE_SIZE } from '../../ltx/tail.js'
import { formatTxid } from '../../ltx/txid.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'

/** The result of comparing a listing of the replica with the uploads of a primary. */
export type ReplicaVerdict =
  /**
   * A restore can reach the last uploaded TXID. Another program deleted `gone` files that a restore
   * does not need.
   */
  | { readonly kind: 'sound'; readonly gone: number }
  /**
   * A restore cannot reach the last uploaded TXID, because files are truncated or missing from the
   * listing. If the listing is stale, the missing files may exist.
   */
  | { readonly kind: 'broken'; readonly reason: string; readonly end: number; readonly isMissing: boolean }
  /** The replica contains files that this primary did not write. */
  | { readonly kind: 'foreign'; readonly reason: string; readonly end: number }

const MISSING = 'files are missing in the replica'

/**
 * Compares a listing with the uploads of a primary, without reading a file. `uploaded` is the last
 * TXID that the primary has uploaded, greater than 0. `attempted` is the last TXID that the primary
 * has tried to upload.
 */
export function judgeReplica(
  { levels, kept, gone, changed }: Relisting,
  { uploaded, attempted }: { readonly uploaded: number; readonly attempted: number },
): ReplicaVerdict {
  const files = levels.flat()
  const end = files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0)
  if (end > Math.max(uploaded, attempted)) {
    const reason = `the replica has files up to TXID ${formatTxid(end)}, but this primary uploaded only up to TXID ${formatTxid(uploaded)}`
    return { kind: 'foreign', reason, end }
  }
  if (files.length === 0) return { kind: 'broken', reason: 'the replica was emptied', end, isMissing: true }
  // Another replica, or an older copy of this replica, has replaced the files.
  if (kept === 0 && gone.length + changed.length > 0) {
    return { kind: 'foreign', reason: 'all known files of the replica were replaced or deleted', end }
  }
  const fault = planFault(levels, uploaded, changed)
  if (!fault) return { kind: 'sound', gone: gone.length }
  return { kind: 'broken', reason: fault, end, isMissing: fault === MISSING }
}

/**
 * Returns undefined if a restore can reach TXID `end`. If a restore cannot reach this TXID, returns
 * the reason. Uses only the names and sizes of the files.
 */
export function planFault(levels: FilesByLevel, end: number, changed: readonly LtxFileInfo[] = []): string | undefined {
  let plan: LtxFileInfo[]
  try {
    plan = selectPlan(levels)
  } catch (error) {
    if (isLitestreamError(error, 'LTX_GAP')) return MISSING
    throw error
  }
  if ((plan.at(-1)?.maxTxid ?? 0) < end) return MISSING
  const damaged = plan.find((file) => file.size < MIN_FILE_SIZE || changed.includes(file))
  if (!damaged) return undefined
  const { level, minTxid, maxTxid, size } = damaged
  const name = `${formatTxid(minTxid)}-${formatTxid(maxTxid)}`
  return `file ${name} of level ${level} is damaged: the file has ${size} bytes`
}
