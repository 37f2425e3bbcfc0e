import { isLitestreamError, type LitestreamError } from '../errors.js'
import { fileLabel } from '../ltx/file-label.js'
import type { LtxFileInfo } from '../storage/replica-client.js'
import { fileContent } from './file-identity.js'

/**
 * Maximum number of new plans after a file was not found. Retention may delete a file after the
 * file was listed, and a new plan then uses the file's replacement.
 */
const MAX_VANISHED = 10
/** Maximum number of damaged files that one plan omits. */
const MAX_DAMAGED = 64

export interface PlanAroundOptions<T> {
  /** Makes a plan without the files in `without`. `without` contains texts of `fileContent`. */
  readonly plan: (without: ReadonlySet<string>) => Promise<LtxFileInfo[]>
  /** Uses the plan. An error about a file must contain the label of the file in `error.file`. */
  readonly use: (plan: LtxFileInfo[]) => Promise<T>
  /** Maximum number of new plans after a file was not found. Default 10. */
  readonly maxVanished?: number
  /** Called for each damaged file, before the next plan is made. */
  readonly onDamaged?: (error: LitestreamError, file: LtxFileInfo) => void
}

/**
 * Makes a plan and calls `use` with the plan. If a file was deleted after the plan was made, makes
 * a new plan. If a file is damaged or contradicts the other files, makes a new plan without this
 * file. The new plan uses files of another level with the same TXIDs, or an older snapshot and
 * later files. If the new plan ends at a lower TXID, throws the error about the damaged file.
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
      // The URL in `error.file` may be masked, so only the end of the label is compared.
      const file = chosen.find((each) => error.file?.endsWith(fileLabel({ url: '' }, each)))
      if (!file || damaged.size === MAX_DAMAGED) throw error
      last = error
      goal = Math.max(goal, reached)
      damaged.add(fileContent(file))
      onDamaged?.(error, file)
    }
  }
}
