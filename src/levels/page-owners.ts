import type { LtxHeader } from '../ltx/header.js'
import type { PageIndex } from '../ltx/page-index.js'

/** For each page of a database, the file of the restore plan that contains the page. */
export interface PageOwners {
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /**
   * For each page number, 1 plus the index in the plan of the page's file. 0 for a page of zeros.
   */
  readonly owner: Uint32Array
  /** For each file of the plan, the number of pages that come from the file. */
  readonly counts: Uint32Array
}

/**
 * Assigns each page to the newest file that contains the page. If a later file truncates the page,
 * the page consists of zeros until a still later file contains the page. `files` must be the result
 * of `checkPlan`. For files that `checkPlan` accepted, the size of the page indexes limits the
 * database size in pages, and thus the memory.
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
