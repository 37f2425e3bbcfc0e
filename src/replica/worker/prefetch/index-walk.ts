import { LRUCache } from 'lru-cache'
import { native } from '../../../native/addon.js'
import { slotOf } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'
import { CONNECTIONS } from './prefetcher.js'

/**
 * Number of index entries whose rows are prefetched at first, and at most; doubled at each further
 * miss.
 */
const FIRST_ENTRIES = 4
const LAST_ENTRIES = 256
/**
 * Rows of one key that are fetched together at first, including the missed one: many queries need
 * ten.
 */
const FIRST_SAME_KEY = 10
/**
 * Up to this many entries with the same first column are assumed to belong to one query: `WHERE
 * user_id = ?`.
 */
const SAME_KEY_ENTRIES = 64
/** Maximum depth of a table's b-tree: a wrong shape must not cause an endless loop. */
const MAX_DEPTH = 20

interface Walk {
  /** Id of the view: an abandoned walk must not keep the view itself. */
  readonly view: number
  readonly leaf: number
  /** [rowid, fingerprint of the first column] each. */
  readonly entries: Float64Array
  /** The root of the table whose rows the entries refer to; 0: unknown. */
  root: number
  /** Index of the entry whose row was missed last; -1: none. */
  position: number
  /** 0: unknown. */
  direction: 1 | -1 | 0
  /** Number of entries for the next miss, if their first columns differ and if they are equal. */
  window: number
  sameKey: number
  /**
   * Indexes of the entries whose rows were fetched last, beginning with the missed one; at first
   * all candidates.
   */
  rows: number[]
  /** For the root of another table: the column of a row that is a rowid there. */
  readonly joins: Map<number, number>
  /** Pages of rows that are being fetched, and the entries on each. */
  readonly awaited: Map<number, number[]>
}

/**
 * Follows a query that scans an index and looks up the row of each entry: prefetches the rows of
 * the next entries, found in the index leaf and through the table's resident interior pages. If
 * several entries have the same first column, a query that begins with the first or last of them is
 * assumed to need the others; otherwise the second missed row shows the direction. If a column of
 * such a row leads to a row of another table (a join), prefetches the rows that this column of the
 * next entries leads to.
 */
export class IndexWalk {
  readonly #walks = new LRUCache<number, Walk>({ max: CONNECTIONS })
  readonly #tree: TreeShape

  constructor(tree: TreeShape) {
    this.#tree = tree
  }

  /**
   * The pages to fetch for a miss of `pgno` by a connection that last read the index leaf `leaf`.
   */
  onMiss(reader: number, view: ReplicaView, pgno: number, leaf: number): number[] {
    if (leaf === 0 || leaf === pgno || this.#tree.parentOf(pgno) === 0) return []
    const walk = this.#walkOf(reader, view, leaf)
    if (!walk) return []
    const root = this.#tree.rootOf(pgno)
    const isJoin = walk.root !== 0 && walk.root !== root
    if (isJoin && walk.joins.has(root)) return this.#joined(walk, view)
    const entry = isJoin ? this.#findJoin(walk, view, root, pgno) : -1
    if (entry < 0) return this.#onRow(walk, view, root, pgno)
    // Of several entries on one page, this is the query's current entry.
    if (walk.direction !== 0) return this.#joined(walk, view)
    return this.#go(walk, view, this.#turn(walk, entry))
  }

  /** A reader missed a row that an entry refers to. */
  #onRow(walk: Walk, view: ReplicaView, root: number, pgno: number): number[] {
    const found = this.#find(view, walk, root, pgno)
    if (found.length === 0) return []
    walk.root = root
    let position = nearest(found, walk.position)
    if (walk.position < 0 && found.length > 1) {
      // In a small table several entries lead to one page. A query begins with the first or last
      // entry of its key.
      const edges = found.filter((entry) => directionFrom(walk.entries, entry) !== 0)
      if (edges.length !== 1) {
        walk.rows = found
        return []
      }
      position = edges[0]!
    } else if (walk.position < 0 && walk.rows.length > 0) {
      // Ambiguous candidates of the first row can be distinguished now.
      for (const before of walk.rows) {
        const after = found.find((entry) => Math.abs(entry - before) === 1)
        if (after !== undefined) [walk.position, position] = [before, after]
      }
    }
    const keyed = this.#turn(walk, position)
    // A miss of a page being fetched, or of the page below the previous one: more of the path to
    // the same rows is known now.
    if (keyed && walk.rows.length > 1 && walk.rows.includes(position)) return this.#pages(walk, view)
    return this.#go(walk, view, keyed)
  }

  #go(walk: Walk, view: ReplicaView, keyed: boolean): number[] {
    walk.rows = walk.direction === 0 ? [walk.position] : this.#next(walk, walk.direction, keyed)
    return this.#pages(walk, view)
  }

  /** The pages of the rows that are fetched now, and of the rows joined with them. */
  #pages(walk: Walk, view: ReplicaView): number[] {
    const pages = walk.rows.map((entry) => this.#pageOf(view, walk.root, walk.entries[entry * 2]!))
    return [...pages.filter(Boolean), ...this.#joined(walk, view)]
  }

  /** The pages that the rows on a prefetched page, which has arrived, lead to. */
  onArrival(view: ReplicaView, pgno: number): number[] {
    const pages: number[] = []
    for (const walk of this.#walks.values()) {
      const rows = walk.view === view.id && walk.awaited.get(pgno)
      if (!rows) continue
      walk.awaited.delete(pgno)
      for (const entry of rows) pages.push(...this.#joinedBy(walk, view, entry))
    }
    return pages
  }

  #walkOf(reader: number, view: ReplicaView, leaf: number): Walk | undefined {
    const known = this.#walks.get(reader)
    if (known?.leaf === leaf && known.view === view.id) return known
    const slot = slotOf(view, leaf)
    if (slot === undefined) return undefined
    const walk: Walk = {
      view: view.id,
      leaf,
      entries: native.indexEntries(view.store.cache, slot, leaf),
      root: 0,
      position: -1,
      direction: 0,
      window: FIRST_ENTRIES,
      sameKey: FIRST_SAME_KEY - 1,
      rows: [],
      joins: new Map(),
      awaited: new Map(),
    }
    this.#walks.set(reader, walk)
    return walk
  }

  /** The entries whose rows are on a page. */
  #find(view: ReplicaView, { entries }: Walk, root: number, pgno: number): number[] {
    const parent = this.#tree.parentOf(pgno)
    const slot = slotOf(view, parent)
    const found: number[] = []
    for (let at = 0; at * 2 < entries.length; at++) {
      const rowid = entries[at * 2]!
      // The parent page excludes most of the entries; beyond its own key range it cannot.
      if (slot !== undefined && native.tableChild(view.store.cache, slot, parent, rowid) !== pgno) continue
      if (this.#pageOf(view, root, rowid, pgno) === pgno) found.push(at)
    }
    return found
  }

  /**
   * The walk has reached an entry. Returns whether it needs only the entries with the same first
   * column.
   */
  #turn(walk: Walk, position: number): boolean {
    const { entries, position: before, direction } = walk
    walk.position = position
    const goesOn = before >= 0 && (position - before) * direction >= 0
    if (before >= 0 && position !== before) walk.direction = position > before ? 1 : -1
    if (goesOn && direction !== 0) return alike(entries, position, position - direction)
    const edge = directionFrom(entries, position)
    if (edge !== 0) walk.direction = edge
    return edge !== 0 || (walk.direction !== 0 && alike(entries, position, position - walk.direction))
  }

  /** An entry and those that are prefetched with it. */
  #next(walk: Walk, direction: 1 | -1, keyed: boolean): number[] {
    const { entries, position } = walk
    const wanted = keyed ? Math.min(run(entries, position, direction) - 1, walk.sameKey) : walk.window
    if (keyed) walk.sameKey = Math.min(SAME_KEY_ENTRIES, walk.sameKey * 2)
    else walk.window = Math.min(LAST_ENTRIES, walk.window * 2)
    const rows = [position]
    for (let at = position + direction; rows.length <= wanted && at >= 0 && at * 2 < entries.length; at += direction)
      rows.push(at)
    return rows
  }

  /**
   * The entry with a column in its row that leads to a page of another table; -1: none of the last
   * rows.
   */
  #findJoin(walk: Walk, view: ReplicaView, root: number, pgno: number): number {
    for (const entry of walk.rows) {
      const values = this.#row(walk, view, entry)
      if (typeof values !== 'object') continue
      const column = values.findIndex((value) => this.#pageOf(view, root, value, pgno) === pgno)
      if (column < 0) continue
      walk.joins.set(root, column)
      return entry
    }
    return -1
  }

  #joined(walk: Walk, view: ReplicaView): number[] {
    return walk.joins.size === 0 ? [] : walk.rows.flatMap((entry) => this.#joinedBy(walk, view, entry))
  }

  #joinedBy(walk: Walk, view: ReplicaView, entry: number): number[] {
    const values = this.#row(walk, view, entry)
    if (typeof values === 'object') {
      const pages = [...walk.joins].map(([root, column]) => this.#pageOf(view, root, values[column] ?? Number.NaN))
      return pages.filter(Boolean)
    }
    const there = walk.awaited.get(values)
    if (there) there.push(entry)
    else if (values !== 0) walk.awaited.set(values, [entry])
    return []
  }

  /**
   * The integers of the row of an entry, or the number of a page that must be fetched first; 0:
   * unknown.
   */
  #row({ root, entries }: Walk, view: ReplicaView, entry: number): Float64Array | number {
    const rowid = entries[entry * 2]!
    const page = this.#pageOf(view, root, rowid)
    const slot = page === 0 ? undefined : slotOf(view, page)
    return slot === undefined ? page : native.rowIntegers(view.store.cache, slot, page, rowid)
  }

  /**
   * The leaf with a rowid, or the highest non-resident page on the path to it, or `until`; 0:
   * unknown.
   */
  #pageOf(view: ReplicaView, root: number, rowid: number, until = 0): number {
    if (Number.isNaN(rowid)) return 0
    let page = root
    for (let depth = 0; depth < MAX_DEPTH && page !== until; depth++) {
      if (this.#tree.childrenOf(page) === undefined) return page
      const slot = slotOf(view, page)
      if (slot === undefined) return page
      page = native.tableChild(view.store.cache, slot, page, rowid)
      if (page === 0) return 0
    }
    return page
  }
}

/** Whether the entry `other` exists and has the first column of the entry `position`. */
function alike(entries: Float64Array, position: number, other: number): boolean {
  return entries[position * 2 + 1] === entries[other * 2 + 1]
}

/**
 * The number of entries, from `position` on in this direction, with the same first column,
 * including itself.
 */
function run(entries: Float64Array, position: number, direction: 1 | -1): number {
  let count = 0
  for (let at = position; alike(entries, position, at); at += direction) count++
  return count
}

function nearest(entries: readonly number[], position: number): number {
  return entries.reduce((best, each) => (Math.abs(each - position) < Math.abs(best - position) ? each : best))
}

/**
 * The direction of a walk that begins with the first or last of several entries with one first
 * column; 0: unknown.
 */
function directionFrom(entries: Float64Array, position: number): 1 | -1 | 0 {
  const [forward, back] = [run(entries, position, 1), run(entries, position, -1)]
  if (forward > 1 === back > 1) return 0
  return forward > 1 ? 1 : -1
}
