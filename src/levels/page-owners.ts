import { LitestreamError } from '../errors.js'
import { corrupt } from '../ltx/corrupt.js'
import { lockPgno } from '../ltx/format.js'
import type { FileLayout } from './remote-layout.js'

/** Which file of a plan each page of the database comes from. */
export interface PageOwners {
  readonly pageSize: number
  /** Size of the database, pages. */
  readonly commit: number
  /** By page number: the place of its file in the plan, plus 1; 0 for a page that is zeros. */
  readonly owner: Uint32Array
  /** By place in the plan: how many pages come from that file. */
  readonly counts: Uint32Array
}

/**
 * The newest file that has a page gives it; but a page that a later file cut off the database's end counts no more, even if the
 * database grew again: it is zeros then, unless it was written anew. Throws PAGE_SIZE_MISMATCH, and LTX_CORRUPT when a page is in
 * no file.
 */
export function assignPages(layouts: readonly FileLayout[]): PageOwners {
  const last = layouts.at(-1)!
  const { pageSize, commit } = last.header
  const different = layouts.find(({ header }) => header.pageSize !== pageSize)
  if (different) {
    throw new LitestreamError(
      'PAGE_SIZE_MISMATCH',
      `${different.label} has pages of ${different.header.pageSize} bytes, ${last.label} of ${pageSize}`,
      {
        file: different.label,
        hint: 'The page size changed under the replica (VACUUM); restore to a TXID before that, or let the primary write a new snapshot.',
      },
    )
  }
  const owner = new Uint32Array(commit + 1)
  const counts = new Uint32Array(layouts.length)
  let limit = commit
  for (let place = layouts.length - 1; place >= 0; place--) {
    const { header, index } = layouts[place]!
    limit = Math.min(limit, header.commit)
    for (let i = 0; i < index.count; i++) {
      const pgno = index.pgnos[i]!
      if (pgno > limit) break
      if (owner[pgno] !== 0) continue
      owner[pgno] = place + 1
      counts[place]!++
    }
  }
  const lock = lockPgno(pageSize)
  for (let pgno = 1; pgno <= commit; pgno++) {
    if (owner[pgno] === 0 && pgno !== lock && !wasCut(layouts, pgno)) {
      throw corrupt(`page ${pgno} of ${commit} is neither in it nor in any file before it`, last.label, 0, pgno)
    }
  }
  return { pageSize, commit, owner, counts }
}

/** Whether a page was cut off the database within the plan; it need not have been written again when the database grew. */
function wasCut(layouts: readonly FileLayout[], pgno: number): boolean {
  let largest = 0
  for (const { header } of layouts) {
    if (header.commit < pgno && pgno <= largest) return true
    largest = Math.max(largest, header.commit)
  }
  return false
}
