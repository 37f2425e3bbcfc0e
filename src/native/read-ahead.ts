/**
 * The kinds of prefetch (`readAhead` in the options). Native code numbers the kinds of prefetch by
 * their position in this list, starting at 1 (native/replica/replica.h).
 *
 * - After adjacent pages were read, `scan` prefetches the next pages of the b-tree or the pages
 *   with the next numbers.
 * - After several leaf pages of an interior page were read, `leaves` prefetches the other leaf
 *   pages of this interior page. If an interior page has few leaf pages, `leaves` prefetches these
 *   leaf pages immediately.
 * - `rows` prefetches the table pages to which an index leaf refers. If a query joins these rows
 *   with another table by rowid, `rows` also prefetches the pages of the other table.
 * - After a connection was opened, `interior` prefetches the interior pages of every b-tree.
 * - At a new TXID, `changes` prefetches the new versions of the changed pages that were resident.
 */
export const READ_AHEAD_KINDS = ['scan', 'leaves', 'rows', 'interior', 'changes'] as const
export type ReadAheadKind = (typeof READ_AHEAD_KINDS)[number]

/**
 * Numbers of pages that one kind of prefetch has fetched. A resident page that was not read yet is
 * counted neither in `used` nor in `wasted`.
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

/** Returns the number that native code uses for a kind of prefetch. */
export function readAheadNumber(kind: ReadAheadKind): number {
  return READ_AHEAD_KINDS.indexOf(kind) + 1
}
