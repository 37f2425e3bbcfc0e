import { native } from '../../../native/addon.js'
import { RecentMap } from '../../../util/recent-map.js'
import { slotOf } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'
import { CONNECTIONS } from './prefetcher.js'

/**
 * FIRST_ENTRIES is the number of index entries whose rows are prefetched after the first miss. The
 * number of prefetched entries doubles at each further miss, up to LAST_ENTRIES.
 */
const FIRST_ENTRIES = 4
const LAST_ENTRIES = 256
/**
 * Number of rows with one key that are fetched together after the first miss, including the missed
 * row. FIRST_SAME_KEY is 10, because many queries need ten rows.
 */
const FIRST_SAME_KEY = 10
/**
 * Up to this many index entries with the same first column are assumed to belong to one query. An
 * example is `WHERE user_id = ?`.
 */
const SAME_KEY_ENTRIES = 64
/**
 * Maximum depth of a table's b-tree, which prevents an endless loop if the known shape of the
 * b-tree is wrong.
 */
const MAX_DEPTH = 20

interface Walk {
  /**
   * The ID of the walk's view. A walk holds the ID of the view instead of the view, so that an
   * abandoned walk does not keep the view in memory.
   */
  readonly view: number
  readonly leaf: number
  /**
   * The entries of the index leaf. Each index entry consists of the rowid and the fingerprint of
   * the first column.
   */
  readonly entries: Float64Array
  /**
   * The root page of the table to whose rows the entries refer, or 0 if the root page is unknown.
   */
  root: number
  /** Index of the entry whose row was missed last, or -1 before the first missed row. */
  position: number
  /** The direction of the walk, or 0 if the direction is unknown. */
  direction: 1 | -1 | 0
  /**
   * Number of entries that the next miss prefetches. `window` applies to index entries with
   * different first columns, and `sameKey` applies to index entries with the same first column.
   */
  window: number
  sameKey: number
  /**
   * Indexes of the entries whose rows were fetched last, beginning with the missed row. Before the
   * position of the walk is known, `rows` has all entries to which the missed row may belong.
   */
  rows: number[]
  /**
   * The joins that were found for this query. The key of the map is the root page of a joined
   * table, and the value is the column that holds a rowid of the joined table.
   */
  readonly joins: Map<number, number>
  /**
   * The pages of rows that are being fetched. For each page, the entries whose rows are on the
   * page.
   */
  readonly awaited: Map<number, number[]>
}

/**
 * Prefetches for a query that scans an index and looks up the row of each entry. IndexWalk finds
 * the next entries in the index leaf. IndexWalk finds the rows of these entries through the
 * resident interior pages of the table. If several entries have the same first column, and a query
 * begins with the first or last of these entries, the query is assumed to need the other entries.
 * If a query begins with another entry, the second missed row shows the direction of the scan. If a
 * column of a row holds the rowid of a row in another table (a join), IndexWalk also prefetches the
 * rows that the next entries join.
 */
export class IndexWalk {
  readonly #walks = new RecentMap<number, Walk>(CONNECTIONS)
  readonly #tree: TreeShape

  constructor(tree: TreeShape) {
    this.#tree = tree
  }

  /**
   * Returns the pages to fetch after a miss of `pgno`. `leaf` is the index leaf that the connection
   * read last.
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
    // If the rows of several entries are on one page, `entry` is the current entry of the query.
    if (walk.direction !== 0) return this.#joined(walk, view)
    return this.#go(walk, view, this.#turn(walk, entry))
  }

  /** Handles a miss of a row to which an index entry refers. */
  #onRow(walk: Walk, view: ReplicaView, root: number, pgno: number): number[] {
    const found = this.#find(view, walk, root, pgno)
    if (found.length === 0) return []
    walk.root = root
    let position = nearest(found, walk.position)
    if (walk.position < 0 && found.length > 1) {
      // In a small table, the rows of several entries are on the same page. A query begins with the
      // first or last entry of its key, so only such an entry can be the position of the walk.
      const edges = found.filter((entry) => directionFrom(walk.entries, entry) !== 0)
      if (edges.length !== 1) {
        walk.rows = found
        return []
      }
      position = edges[0]!
    } else if (walk.position < 0 && walk.rows.length > 0) {
      // The second missed row shows which of the candidates for the first row was right.
      for (const before of walk.rows) {
        const after = found.find((entry) => Math.abs(entry - before) === 1)
        if (after !== undefined) [walk.position, position] = [before, after]
      }
    }
    const keyed = this.#turn(walk, position)
    // The query missed a page that is being fetched, or the next page on the path to the same rows.
    // After this miss, more of the path to the rows is known, so the pages to fetch are determined
    // again.
    if (keyed && walk.rows.length > 1 && walk.rows.includes(position)) return this.#pages(walk, view)
    return this.#go(walk, view, keyed)
  }

  #go(walk: Walk, view: ReplicaView, keyed: boolean): number[] {
    walk.rows = walk.direction === 0 ? [walk.position] : this.#next(walk, walk.direction, keyed)
    return this.#pages(walk, view)
  }

  /**
   * Returns the pages of the rows in `walk.rows`, and the pages of the rows that these rows join.
   */
  #pages(walk: Walk, view: ReplicaView): number[] {
    const pages = walk.rows.map((entry) => this.#pageOf(view, walk.root, walk.entries[entry * 2]!))
    return [...pages.filter(Boolean), ...this.#joined(walk, view)]
  }

  /**
   * Returns the pages of the joined rows to which the rows on the prefetched page `pgno` lead.
   * `onArrival` must be called when the prefetched page `pgno` has arrived.
   */
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

  /** Returns the entries whose rows are on the page `pgno`. */
  #find(view: ReplicaView, { entries }: Walk, root: number, pgno: number): number[] {
    const parent = this.#tree.parentOf(pgno)
    const slot = slotOf(view, parent)
    const found: number[] = []
    for (let at = 0; at * 2 < entries.length; at++) {
      const rowid = entries[at * 2]!
      // The parent page excludes most of the entries. The parent page cannot exclude rowids outside
      // its own key range, so `#pageOf` checks the remaining entries.
      if (slot !== undefined && native.tableChild(view.store.cache, slot, parent, rowid) !== pgno) continue
      if (this.#pageOf(view, root, rowid, pgno) === pgno) found.push(at)
    }
    return found
  }

  /**
   * Moves the walk to an entry. Returns whether the walk needs only the entries with the same first
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

  /** Returns the current entry and the entries that are prefetched with it. */
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
   * Returns the entry whose row contains the rowid of a row on the page `pgno` of another table.
   * Returns -1 if none of the rows that were fetched last has such a column.
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
   * Returns the integers in the row of an entry. If a page must be fetched first, returns the
   * number of this page. Returns 0 if neither the row nor the page to fetch is known.
   */
  #row({ root, entries }: Walk, view: ReplicaView, entry: number): Float64Array | number {
    const rowid = entries[entry * 2]!
    const page = this.#pageOf(view, root, rowid)
    const slot = page === 0 ? undefined : slotOf(view, page)
    return slot === undefined ? page : native.rowIntegers(view.store.cache, slot, page, rowid)
  }

  /**
   * Returns the leaf that contains a rowid. If a page on the path to the leaf is not resident,
   * returns the first such page. If the path to the leaf reaches `until`, returns `until`. Returns
   * 0 if the leaf is unknown.
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

/** Whether the entry `other` exists and has the same first column as the entry `position`. */
function alike(entries: Float64Array, position: number, other: number): boolean {
  return entries[position * 2 + 1] === entries[other * 2 + 1]
}

/**
 * Returns the number of consecutive entries with the same first column. The count begins with
 * `position` and continues in `direction`.
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
 * Returns the direction of a walk that begins with the first or last entry of a key. Returns 0 if
 * the direction is unknown. Index entries with the same first column belong to one key.
 */
function directionFrom(entries: Float64Array, position: number): 1 | -1 | 0 {
  const [forward, back] = [run(entries, position, 1), run(entries, position, -1)]
  if (forward > 1 === back > 1) return 0
  return forward > 1 ? 1 : -1
}
