import type { LtxHeader } from '../ltx/header.js'
import type { PageIndex } from '../ltx/page-index.js'

/** For each page of the database, the file of a plan that it comes from. */
export interface PageOwners {
  readonly pageSize: number
  /** Size of the database, pages. */
  readonly commit: number
  /**
   * Indexed by page number: the position of its file in the plan, plus 1; 0 for a page of zeros.
   */
  readonly owner: Uint32Array
  /** Indexed by position in the plan: the number of pages from that file. */
  readonly counts: Uint32Array
}

/**
 * Each page comes from the newest file that has it. A page that a later file truncated from the end
 * of the database is discarded, even if the database grew again: it is zeros unless it was written
 * again. `files`: the result of `checkPlan`, which bounds the commit, and so the memory used, by
 * the size of the page indexes.
 */
export function assignPages(files: readonly { readonly header: LtxHeader; readonly index: PageIndex }[]): PageOwners {
  const { pageSize, commit } = files.at(-1)!.header
  const owner = new Uint32Array(commit + 1)
  const counts = new Uint32Array(files.length)
  let limit = commit
  for (let place = files.length - 1; place >= 0; place--) {
    const { header, index } = files[place]!
    limit = Math.min(limit, header.commit)
    for (let i = 0; i < index.count; i++) {
      const pgno = index.pgnos[i]!
      if (pgno > limit) break
      if (owner[pgno] !== 0) continue
      owner[pgno] = place + 1
      counts[place]!++
    }
  }
  return { pageSize, commit, owner, counts }
}
