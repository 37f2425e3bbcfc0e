import { isLitestreamError, type LitestreamError } from '../errors.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { fileContent, fileLabel } from './file-label.js'

/** How often a plan is made again because files vanished under it: each time something newer has taken their place. */
const MAX_VANISHED = 10
/** How many damaged files one plan is led around. */
const MAX_DAMAGED = 64

export interface PlanAroundOptions<T> {
  /** A plan with none of the files in `without` (`fileContent`). */
  readonly plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>
  /** What is done with the plan. An error about a file has its label as `file`. */
  readonly use: (plan: LtxFileInfo[]) => Promise<T>
  /** How often a plan is made again because a file of it was not found; default 10. */
  readonly maxVanished?: number
  /** A file is damaged, and others are tried in its place. */
  readonly onDamaged?: (error: LitestreamError, file: LtxFileInfo) => void
}

/**
 * Plans and uses the plan. A file that vanished meanwhile leads to a new plan; so does one that is damaged or does not fit, without
 * that file: another level has the same TXIDs, or an older snapshot and the files after it. A plan that does not lead as far as the one
 * with the damaged file is no answer: the damage that cut the way off is thrown.
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
