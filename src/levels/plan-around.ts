import { isLitestreamError, type LitestreamError } from '../errors.js'
import { fileLabel } from '../ltx/file-label.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { fileContent } from './file-identity.js'

/**
 * Maximum number of new plans because files were deleted meanwhile; each time a newer file has
 * replaced them.
 */
const MAX_VANISHED = 10
/** Maximum number of damaged files that one plan avoids. */
const MAX_DAMAGED = 64

export interface PlanAroundOptions<T> {
  /** Makes a plan without the files in `without` (`fileContent`). */
  readonly plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>
  /** Uses the plan. An error about a file must have its label as `file`. */
  readonly use: (plan: LtxFileInfo[]) => Promise<T>
  /** Maximum number of new plans because a file was not found; default 10. */
  readonly maxVanished?: number
  /** Called for a damaged file, before other files are tried in its place. */
  readonly onDamaged?: (error: LitestreamError, file: LtxFileInfo) => void
}

/**
 * Makes a plan and uses it. If a file was deleted meanwhile, plans again. If a file is damaged or
 * does not fit, plans again without it: another level has the same TXIDs, or an older snapshot and
 * the files after it are used. If that plan does not reach as far as the one with the damaged file,
 * throws the error about the damage.
 */
export async function planAround<T>({
  plan,
  use,
  maxVanished = MAX_VANISHED,
  onDamaged,
}: PlanAroundOptions<T>): Promise<T> {
  const damaged = new Set<string>()
  let last: LitestreamError | undefined
  let goal = 0
  let vanished = 0
  for (;;) {
    const chosen = await plan(damaged).catch((error: unknown) => {
      throw last && isLitestreamError(error, 'LTX_GAP', 'TXID_NOT_AVAILABLE', 'REPLICA_EMPTY') ? last : error
    })
    const reached = chosen.at(-1)?.maxTxid ?? 0
    if (last && reached < goal) throw last
    try {
      return await use(chosen)
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND') && vanished++ < maxVanished) continue
      if (!isLitestreamError(error, 'LTX_CORRUPT', 'LTX_GAP', 'PAGE_SIZE_MISMATCH')) throw error
      // The URL in an error may be masked.
      const file = chosen.find((each) => error.file?.endsWith(fileLabel({ url: '' }, each)))
      if (!file || damaged.size === MAX_DAMAGED) throw error
      last = error
      goal = Math.max(goal, reached)
      damaged.add(fileContent(file))
      onDamaged?.(error, file)
    }
  }
}
