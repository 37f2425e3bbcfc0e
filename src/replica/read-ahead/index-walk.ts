import { LRUCache } from 'lru-cache'
import { native } from '../../native.js'
import { pageKey } from '../pages/page-store.js'
import type { ReplicaView } from '../pages/view-set.js'
import { CONNECTIONS } from './prefetcher.js'
import type { TreeShape } from './tree-shape.js'

/** Index entries whose rows are fetched ahead at first, and at the most; doubled at each further miss. */
const FIRST_ENTRIES = 4
const LAST_ENTRIES = 256
/** As many entries as this with one first column are taken for what one query wants: `WHERE user_id = ?`. */
const SAME_KEY_ENTRIES = 64
/** No table is deeper: a wrong shape must not lead in circles. */
const MAX_DEPTH = 20

interface Walk {
  readonly leaf: number
  /** [rowid, fingerprint of the first column] each. */
  readonly entries: Float64Array
  /** The entry whose row was missed last; -1: none yet. */
  position: number
  /** 0: not known yet. */
  direction: 1 | -1 | 0
  window: number
}

/**
 * Follows a query that goes along an index and looks up the rows of its entries: after the second row that was not here, the rows
 * of the next entries are fetched too, found in the index leaf and through the table's resident interior pages.
 */
export class IndexWalk {
  readonly #walks = new LRUCache<number, Walk>({ max: CONNECTIONS })
  readonly #tree: TreeShape

  constructor(tree: TreeShape) {
    this.#tree = tree
  }

  /** The pages to fetch with a miss of `pgno` by a connection that last read the index leaf `leaf`. */
  onMiss(reader: number, view: ReplicaView, pgno: number, leaf: number): number[] {
    if (leaf === 0 || leaf === pgno || this.#tree.parentOf(pgno) === 0) return []
    const walk = this.#walkOf(reader, view, leaf)
    if (!walk) return []
    const root = this.#tree.rootOf(pgno)
    const position = this.#find(walk, view, root, pgno)
    if (position < 0) return []
    const before = walk.position
    walk.position = position
    if (before >= 0 && before !== position) walk.direction = position > before ? 1 : -1
    // A second miss for one entry is of the page below the first: by now more of the way to the next rows is known.
    return walk.direction === 0 ? [] : this.#ahead(walk, view, root, walk.direction)
  }

  #walkOf(reader: number, view: ReplicaView, leaf: number): Walk | undefined {
    const known = this.#walks.get(reader)
    if (known?.leaf === leaf) return known
    const slot = view.store.slotOf(pageKey(view.state.map.fileOf(leaf), leaf))
    if (slot === undefined) return undefined
    const entries = native.indexEntries(view.store.cache, slot, leaf)
    const walk = { leaf, entries, position: -1, direction: 0, window: FIRST_ENTRIES } as Walk
    this.#walks.set(reader, walk)
    return walk
  }

  /** The entry that led to a page: of several the one nearest to the last. */
  #find(walk: Walk, view: ReplicaView, root: number, pgno: number): number {
    const count = walk.entries.length / 2
    const from = Math.max(0, walk.position)
    for (let distance = 0; distance < count; distance++) {
      for (const at of distance === 0 ? [from] : [from + distance, from - distance]) {
        if (at >= 0 && at < count && this.#pageOf(view, root, walk.entries[at * 2], pgno) === pgno) return at
      }
    }
    return -1
  }

  #ahead(walk: Walk, view: ReplicaView, root: number, direction: 1 | -1): number[] {
    const { entries, position } = walk
    const count = entries.length / 2
    const prefix = entries[position * 2 + 1]
    const pages = new Set<number>()
    let same = 0
    for (let at = position; at >= 0 && at < count && entries[at * 2 + 1] === prefix; at += direction) same++
    const before = position - direction
    const keyed = before >= 0 && before < count && entries[before * 2 + 1] === prefix
    const wanted = keyed ? Math.min(same, SAME_KEY_ENTRIES) : walk.window
    walk.window = Math.min(LAST_ENTRIES, walk.window * 2)
    for (let i = 1, at = position + direction; i <= wanted && at >= 0 && at < count; i++, at += direction) {
      const page = this.#pageOf(view, root, entries[at * 2])
      if (page !== 0) pages.add(page)
    }
    return [...pages]
  }

  /** The leaf with a rowid, or the highest page on the way to it that is not resident, or `until`; 0: not known. */
  #pageOf(view: ReplicaView, root: number, rowid: number, until = 0): number {
    let page = root
    for (let depth = 0; depth < MAX_DEPTH && page !== until; depth++) {
      if (this.#tree.childrenOf(page) === undefined) return page
      const slot = view.store.slotOf(pageKey(view.state.map.fileOf(page), page))
      if (slot === undefined) return page
      page = native.tableChild(view.store.cache, slot, page, rowid)
      if (page === 0) return 0
    }
    return page
  }
}
