import type { IndexBlock } from '../ltx/index-block.js'
import { RecentMap } from '../util/recent-map.js'

/** The decoded blocks of all PagedIndexes of a replica. The cache limits their total size. */
export class IndexBlockCache extends RecentMap<string, IndexBlock> {
  /** `memory` is the maximum total size in bytes. */
  constructor(memory: number) {
    super(memory, ({ byteLength }) => Math.max(1, byteLength))
  }
}

/** Maximum memory in bytes of the decoded blocks of a replica. */
export const INDEX_CACHE_SIZE: number = 16 * 1024 * 1024
