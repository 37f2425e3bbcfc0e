/**
 * Kinds of prefetch (`readAhead` in the options). Native code numbers them by their position here,
 * beginning with 1 (native/replica/replica.h).
 *
 * - `scan`: the next pages of a tree, or by number, after adjacent pages were read.
 * - `leaves`: the other leaves under an interior page after several were read, or immediately if
 *   there are few.
 * - `rows`: the table pages that an index leaf leads to, and those of tables that are joined with
 *   these rows by rowid.
 * - `interior`: after an opening, the interior pages of every b-tree.
 * - `changes`: with a new TXID, the resident pages that have changed.
 */
export const READ_AHEAD_KINDS = ['scan', 'leaves', 'rows', 'interior', 'changes'] as const
export type ReadAheadKind = (typeof READ_AHEAD_KINDS)[number]

/**
 * Counts of the pages that one kind of prefetch has fetched. Resident pages that were not read yet
 * are neither used nor wasted.
 */
export interface ReadAheadCounts {
  /** Fetched before a connection read them. */
  readonly brought: number
  /** Read, or waited for while they were being fetched. */
  readonly used: number
  /** Evicted unread. */
  readonly wasted: number
}
export type ReadAheadStats = Readonly<Record<ReadAheadKind, ReadAheadCounts>>

/** The number of a kind in native code. */
export function readAheadNumber(kind: ReadAheadKind): number {
  return READ_AHEAD_KINDS.indexOf(kind) + 1
}
