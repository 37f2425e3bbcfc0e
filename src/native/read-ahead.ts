/**
 * The kinds of prefetch (`readAhead` in the options). Native code numbers the kinds of prefetch by
 * their position in this list, starting at 1 (native/replica/replica.h).
 *
 * - `scan` prefetches the next pages of a b-tree, or the pages with the next numbers, after
 *   adjacent pages were read.
 * - `leaves` prefetches the other leaf pages below an interior page after several of them were
 *   read. If the interior page has few leaf pages, `leaves` prefetches them immediately.
 * - `rows` prefetches the table pages to which an index leaf refers, and the pages of tables that a
 *   query joins with these rows by rowid.
 * - `interior` prefetches the interior pages of every b-tree after a connection was opened.
 * - `changes` prefetches the resident pages that changed at a new TXID.
 */
export const READ_AHEAD_KINDS = ['scan', 'leaves', 'rows', 'interior', 'changes'] as const
export type ReadAheadKind = (typeof READ_AHEAD_KINDS)[number]

/**
 * Numbers of pages that one kind of prefetch has fetched. A page that is resident and was not read
 * yet counts neither as used nor as wasted.
 */
export interface ReadAheadCounts {
  /** Number of pages that were fetched before a connection read them. */
  readonly brought: number
  /** Number of prefetched pages that a connection read, or waited for during the fetch. */
  readonly used: number
  /** Number of prefetched pages that were evicted before a connection read them. */
  readonly wasted: number
}
export type ReadAheadStats = Readonly<Record<ReadAheadKind, ReadAheadCounts>>

/** Returns the number of a prefetch kind in native code. */
export function readAheadNumber(kind: ReadAheadKind): number {
  return READ_AHEAD_KINDS.indexOf(kind) + 1
}
