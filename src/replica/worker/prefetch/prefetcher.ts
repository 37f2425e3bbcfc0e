import { READ_AHEAD_KINDS, type ReadAheadKind } from '../../../native/read-ahead.js'
import { RecentMap } from '../../../util/recent-map.js'
import { isResident } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'

/**
 * Decoded bytes of the first window of a scan that begins with the first or last leaf of a tree. A
 * window is the list of pages that are prefetched together.
 */
const EDGE_WINDOW = 256 * 1024
/**
 * GROWTH is the growth factor of a small window. SCAN_GROWTH is the growth factor of a window that
 * is so large that the connection is certainly scanning.
 */
const GROWTH = 4
const SCAN_GROWTH = 32
/**
 * If a window has at most this many bytes, the next window is requested at the first page of the
 * current window. If a window is larger, the next window is requested at the middle of the current
 * window.
 */
const EARLY_WINDOW = 1024 * 1024
/**
 * Decoded bytes of the first window after a connection has read two adjacent pages. Two adjacent
 * reads usually begin a short range.
 */
const FIRST_WINDOW = 16 * 1024
const LAST_WINDOW = 32 * 1024 * 1024
/**
 * Decoded bytes of the first window for pages whose position in a tree is unknown. The position of
 * overflow pages, and of the pages of a tree whose root was not read, is unknown.
 */
const FIRST_BLIND_WINDOW = 32 * 1024
/**
 * A missed page that is at most SLACK pages after the expected page still belongs to the run. The
 * pages between the expected page and the missed page were resident.
 */
const SLACK = 8
/**
 * Number of runs that are remembered per connection. Several runs are needed, because a join reads
 * several b-trees alternately.
 */
const RUNS = 8
/**
 * After this many misses of leaves under one interior page, in any order, all leaves of that page
 * are fetched.
 */
const DENSE_LEAVES = 8
/**
 * All leaves of an interior page are fetched together with the first missed leaf if the page has at
 * most FEW_LEAVES leaves, and if the leaves lie within FEW_BYTES bytes of one file.
 */
const FEW_LEAVES = 64
const FEW_BYTES = 128 * 1024
/**
 * If the second missed leaf is at most CLUSTER_LEAVES leaves away from the first missed leaf, more
 * misses are likely. After two such misses, the number of prefetched leaves is CLUSTER_STEPS times
 * the distance of the two missed leaves. A byte limit applies too.
 */
const CLUSTER_LEAVES = 16
const CLUSTER_STEPS = 4
const CLUSTER_BYTES = 96 * 1024
/**
 * After this many misses of interior pages under one parent, all children of the parent are
 * fetched. Interior pages are far apart in a file, so each interior page costs one request.
 */
const DENSE_INTERIOR = 16
/**
 * The page numbers of two leaves that were written one after another differ by at most NEAR. The
 * page numbers of two interior pages differ by much more than NEAR.
 */
const NEAR = 16

/**
 * Maximum number of connections with remembered runs. The worker does not learn when a connection
 * is closed, so the runs of idle connections are removed.
 */
export const CONNECTIONS = 1024

/**
 * The pages to prefetch. When a reader reads the page `trigger`, the reader will soon need more
 * pages.
 */
export interface Ahead {
  readonly kind: ReadAheadKind
  readonly pages: readonly number[]
  readonly trigger: number
}

const NOTHING: Ahead = { kind: 'scan', pages: [], trigger: 0 }

interface Run {
  readonly direction: 1 | -1
  /** The last page of the run that was prefetched or missed. */
  last: number
  /** Size of the next window in decoded bytes. */
  window: number
  trigger: number
  /**
   * The pages that were fetched last. A miss of one of these pages means that the reader is faster
   * than the prefetch.
   */
  pending: ReadonlySet<number>
  /**
   * Whether the pages of the run are adjacent in a b-tree. If the value is false, only the page
   * numbers are adjacent.
   */
  readonly tree: boolean
}

interface Misses {
  position: number
  count: number
}

interface ReaderState {
  readonly runs: Run[]
  /** The last miss of this connection under each interior page. The key is the interior page. */
  readonly misses: Map<number, Misses>
}

/**
 * Predicts the next pages of a connection from its misses. If the interior page above a missed page
 * is known, the Prefetcher follows the children of that interior page in key order. If the interior
 * page is unknown, the Prefetcher follows page numbers.
 */
export class Prefetcher {
  readonly #readers = new RecentMap<number, ReaderState>(CONNECTIONS)
  readonly #tree: TreeShape
  readonly #kinds: ReadonlySet<ReadAheadKind>

  constructor(tree: TreeShape, kinds: ReadonlySet<ReadAheadKind> = new Set(READ_AHEAD_KINDS)) {
    this.#tree = tree
    this.#kinds = kinds
  }

  /** Returns the pages to prefetch after a miss. */
  onMiss(reader: number, view: ReplicaView, pgno: number): Ahead {
    const state = this.#state(reader)
    const parent = this.#tree.parentOf(pgno)
    return parent === 0 ? this.#blind(state, view, pgno) : this.#known(state, view, pgno, parent)
  }

  /** Returns the pages to prefetch when a reader reads the trigger page of one of its runs. */
  onTrigger(reader: number, view: ReplicaView, pgno: number): Ahead {
    const state = this.#state(reader)
    const run = state.runs.find((each) => each.trigger === pgno)
    if (run) return this.#next(run, view)
    return this.#tree.isOutermost(pgno, -1) ? this.#begin(state, view, pgno, 1, EDGE_WINDOW, true) : NOTHING
  }

  #state(reader: number): ReaderState {
    let state = this.#readers.get(reader)
    if (!state) {
      state = { runs: [], misses: new Map() }
      this.#readers.set(reader, state)
    }
    return state
  }

  #known(state: ReaderState, view: ReplicaView, pgno: number, parent: number): Ahead {
    const position = this.#tree.position(pgno)
    const before = state.misses.get(parent)
    state.misses.set(parent, { position, count: (before?.count ?? 0) + 1 })
    // The map is cleared, because a map of every interior page with a miss would grow with the
    // database.
    if (state.misses.size > 4096) state.misses.clear()
    const running = state.runs.find((run) => run.tree && (run.pending.has(pgno) || this.#follows(run, pgno)))
    if (running) {
      if (!running.pending.has(pgno)) running.last = pgno
      return this.#next(running, view)
    }
    const siblings = this.#tree.childrenOf(parent) as Uint32Array
    // A scan does not move from one interior page to the next interior page. A scan reaches the
    // next interior page only through leaves.
    if (siblings.some((sibling) => this.#tree.childrenOf(sibling) !== undefined)) {
      return this.#dense(before, DENSE_INTERIOR, siblings)
    }
    const few = this.#few(view, siblings)
    if (few) return few
    const step = before ? position - before.position : 0
    if (step !== 0 && this.#adjoins(view, siblings, position, step)) {
      return this.#begin(state, view, pgno, step > 0 ? 1 : -1, FIRST_WINDOW, true)
    }
    // A scan begins with the first or last leaf of a tree. A look-up seldom reads the first or last
    // leaf of a tree.
    for (const direction of [1, -1] as const) {
      const next = siblings[position + direction]
      if (before || next === undefined || Math.abs(next - pgno) > NEAR) continue
      if (this.#tree.isOutermost(pgno, direction === 1 ? -1 : 1)) {
        return this.#begin(state, view, pgno, direction, EDGE_WINDOW, true)
      }
    }
    const cluster = this.#cluster(view, siblings, position, step)
    return cluster.length > 0
      ? { kind: 'leaves', pages: cluster, trigger: 0 }
      : this.#dense(before, DENSE_LEAVES, siblings)
  }

  /**
   * Returns the leaves to prefetch after a second miss near the first miss. The leaves to prefetch
   * must be close together in one file.
   */
  #cluster(view: ReplicaView, siblings: Uint32Array, position: number, step: number): number[] {
    if (step === 0 || Math.abs(step) > CLUSTER_LEAVES || !this.#kinds.has('leaves')) return []
    const { map } = view.state
    const direction = Math.sign(step)
    const here = map.approximate(siblings[position]!)
    const pages: number[] = []
    for (let i = 1; i <= Math.abs(step) * CLUSTER_STEPS; i++) {
      const page = siblings[position + i * direction]
      if (page === undefined) break
      const { file, offset } = map.approximate(page)
      if (file !== here.file || Math.abs(offset - here.offset) > CLUSTER_BYTES) break
      pages.push(page)
    }
    return pages
  }

  /**
   * Returns all leaves under an interior page. The interior page must have few leaves, and the
   * leaves must be close together in one file. One request then fetches all leaves.
   */
  #few(view: ReplicaView, siblings: Uint32Array): Ahead | undefined {
    if (!this.#kinds.has('leaves') || siblings.length > FEW_LEAVES) return undefined
    let [start, end] = [Number.POSITIVE_INFINITY, 0]
    const { map } = view.state
    const file = map.fileOf(siblings[0])
    for (const sibling of siblings) {
      const place = map.approximate(sibling)
      if (place.file !== file) return undefined
      start = Math.min(start, place.offset)
      end = Math.max(end, place.offset + place.size)
    }
    return end - start <= FEW_BYTES ? { kind: 'leaves', pages: [...siblings], trigger: 0 } : undefined
  }

  /** Returns all pages under an interior page after `threshold` misses under that page. */
  #dense(before: Misses | undefined, threshold: number, siblings: Uint32Array): Ahead {
    if (!this.#kinds.has('leaves') || before?.count !== threshold - 1) return NOTHING
    return { kind: 'leaves', pages: [...siblings], trigger: 0 }
  }

  /**
   * Whether the missed page is adjacent to the page that was missed before. The page that was
   * missed before is `step` places before the missed page. The result is also true if all pages
   * between the two missed pages are resident.
   */
  #adjoins(view: ReplicaView, siblings: Uint32Array, position: number, step: number): boolean {
    if (Math.abs(step) > SLACK) return false
    const direction = Math.sign(step)
    for (let at = position - direction; at !== position - step; at -= direction) {
      if (!isResident(view, siblings[at])) return false
    }
    return true
  }

  #follows(run: Run, pgno: number): boolean {
    return this.#tree.following(run.last, run.direction, 1)[0] === pgno
  }

  #blind(state: ReaderState, view: ReplicaView, pgno: number): Ahead {
    const run = state.runs.find(
      (each) => !each.tree && (each.pending.has(pgno) || (pgno > each.last && pgno <= each.last + SLACK)),
    )
    if (run) {
      if (!run.pending.has(pgno)) run.last = pgno
      return this.#next(run, view)
    }
    this.#remember(state, {
      direction: 1,
      last: pgno,
      window: FIRST_BLIND_WINDOW,
      trigger: 0,
      pending: new Set(),
      tree: false,
    })
    return NOTHING
  }

  #begin(state: ReaderState, view: ReplicaView, pgno: number, direction: 1 | -1, window: number, tree: boolean): Ahead {
    const run: Run = { direction, last: pgno, window, trigger: 0, pending: new Set(), tree }
    this.#remember(state, run)
    return this.#next(run, view)
  }

  #remember(state: ReaderState, run: Run): void {
    state.runs.unshift(run)
    state.runs.length = Math.min(state.runs.length, RUNS)
  }

  #next(run: Run, view: ReplicaView): Ahead {
    if (!this.#kinds.has('scan')) return NOTHING
    const { pageSize, commit } = view.state
    // A window takes at most a quarter of the cache, because a larger window would evict its own
    // pages before the reader reads them.
    const budget = Math.min(run.window, (view.store.slots * pageSize) / 4)
    const count = Math.max(1, Math.floor(budget / pageSize))
    const pages = run.tree
      ? this.#tree.following(run.last, run.direction, count)
      : Array.from({ length: Math.min(count, commit - run.last) }, (_, i) => run.last + 1 + i)
    if (pages.length === 0) return NOTHING
    // A reader reads a small window faster than the next window arrives, so the next window is
    // requested at the first page of a small window.
    run.trigger = pages[run.window <= EARLY_WINDOW ? 0 : Math.floor(pages.length / 2)]
    run.window = Math.min(LAST_WINDOW, run.window * (run.window < EDGE_WINDOW ? GROWTH : SCAN_GROWTH))
    run.last = pages[pages.length - 1]
    run.pending = new Set(pages)
    return { kind: 'scan', pages, trigger: run.trigger }
  }
}
