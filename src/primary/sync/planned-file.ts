import type { WalHeader } from '../../wal/wal-header.js'
import type { WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, type WalPosition } from '../../wal/wal-position.js'
import type { PageRun } from '../source/page-runs.js'

/** An L0 file to be written: its pages, and the frames of the WAL that it represents. */
export interface PlannedFile {
  readonly runs: Iterable<PageRun>
  /** Size of the database in pages. */
  readonly commit: number
  readonly start: WalPosition
  readonly end: WalPosition
  /** False: the WAL was restarted, and pages read since may be later ones. */
  readonly stillThere: () => boolean
  /** Whether the file contains everything up to `index`. */
  readonly whole: boolean
  readonly index: WalIndex
  /** Why the file holds the whole database; undefined for an incremental one. */
  readonly reason?: string | undefined
}

export function sameHeader(a: WalHeader | undefined, b: WalHeader): boolean {
  return a !== undefined && sameGeneration(a, b)
}

/**
 * Whether `pgnos`, ascending, contains every page after page `before`, up to page `after`. `lock`:
 * the lock page, which is in no file.
 */
export function coversGrowth(pgnos: Uint32Array, before: number, after: number, lock: number): boolean {
  if (after <= before) return true
  let missing = after - before - (lock > before && lock <= after ? 1 : 0)
  for (let i = pgnos.length - 1; i >= 0 && pgnos[i]! > before; i--) missing--
  return missing === 0
}
