import type { WalHeader } from '../../wal/wal-header.js'
import type { WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, type WalPosition } from '../../wal/wal-position.js'
import type { PageRun } from '../source/page-runs.js'

/** An L0 file to be written, with its pages and the WAL frames that it represents. */
export interface PlannedFile {
  readonly runs: Iterable<PageRun>
  /** Size of the database in pages after this L0 file. */
  readonly commit: number
  readonly start: WalPosition
  readonly end: WalPosition
  /**
   * Returns false if the WAL was restarted. After a restart of the WAL, the pages that were read
   * may belong to later transactions.
   */
  readonly stillThere: () => boolean
  /** Whether the L0 file contains every frame that `index` counts. */
  readonly whole: boolean
  readonly index: WalIndex
  /**
   * The reason why the L0 file holds the whole database, or undefined for an incremental L0 file.
   */
  readonly reason?: string | undefined
}

export function sameHeader(a: WalHeader | undefined, b: WalHeader): boolean {
  return a !== undefined && sameGeneration(a, b)
}

/**
 * Whether `pgnos` contains every page number from `before + 1` to `after`. The numbers in `pgnos`
 * must be ascending. `lock` is the number of the lock page, which no LTX file contains.
 */
export function coversGrowth(pgnos: Uint32Array, before: number, after: number, lock: number): boolean {
  if (after <= before) return true
  let missing = after - before - (lock > before && lock <= after ? 1 : 0)
  for (let i = pgnos.length - 1; i >= 0 && pgnos[i]! > before; i--) missing--
  return missing === 0
}
