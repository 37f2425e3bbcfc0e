import type { LtxHeader } from '../ltx/header.js'
import type { PageIndex } from '../ltx/page-index.js'

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
 * database grew again: it is zeros then, unless it was written again. `files`: what `checkPlan` returned, so that memory in proportion
 * to the commit is memory in proportion to the page indexes.
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
