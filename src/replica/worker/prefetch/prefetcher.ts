import { LRUCache } from 'lru-cache'
import { READ_AHEAD_KINDS, type ReadAheadKind } from '../../../native/read-ahead.js'
import { isResident } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'

/**
 * Decoded bytes of the first window of a scan that begins with the first or last leaf of a tree.
 */
const EDGE_WINDOW = 256 * 1024
/** Growth factor of a small window, and of a window so large that the scan is certain. */
const GROWTH = 4
const SCAN_GROWTH = 32
/**
 * Up to this window size, the next window is requested at the first page of this one; later in its
 * middle.
 */
const EARLY_WINDOW = 1024 * 1024
/** First window after two adjacent pages were read: usually a short range. */
const FIRST_WINDOW = 16 * 1024
const LAST_WINDOW = 32 * 1024 * 1024
/**
 * First window for pages without a known position in a tree (overflow chains, trees whose root was
 * not seen).
 */
const FIRST_BLIND_WINDOW = 32 * 1024
/**
 * A miss up to this many pages after the expected one still belongs to a run: the pages in between
 * were resident.
 */
const SLACK = 8
/** Runs remembered per connection: a join advances in several trees alternately. */
const RUNS = 8
/** After this many misses under one interior page, in any order, all of its leaves are fetched. */
const DENSE_LEAVES = 8
/**
 * At most this many leaves, within FEW_BYTES of one file, are fetched together with the first of
 * them.
 */
const FEW_LEAVES = 64
const FEW_BYTES = 128 * 1024
/**
 * A second miss at most this many leaves away from the first predicts more: CLUSTER_STEPS times the
 * distance is fetched, within a byte limit.
 */
const CLUSTER_LEAVES = 16
const CLUSTER_STEPS = 4
const CLUSTER_BYTES = 96 * 1024
/** DENSE_LEAVES for interior children: those are far apart, so each costs a request. */
const DENSE_INTERIOR = 16
/**
 * Leaves written one after another are at most this far apart; interior pages are much farther
 * apart.
 */
const NEAR = 16

/**
 * Number of connections with remembered runs; the close of a connection is not reported, so idle
 * ones are forgotten.
 */
export const CONNECTIONS = 1024

/** Pages to prefetch. A reader that reaches `trigger` will need more. */
export interface Ahead {
  readonly kind: ReadAheadKind
  readonly pages: readonly number[]
  readonly trigger: number
}

const NOTHING: Ahead = { kind: 'scan', pages: [], trigger: 0 }

interface Run {
  readonly direction: 1 | -1
  /** The last page that was prefetched or missed. */
  last: number
  /** Decoded bytes of the next window. */
  window: number
  trigger: number
  /** The pages fetched last: a miss in them means that the reader is faster than the prefetch. */
  pending: ReadonlySet<number>
  /** Whether the pages of the run are adjacent in a tree, or only by number. */
  readonly tree: boolean
}

interface Misses {
  position: number
  count: number
}

interface ReaderState {
  readonly runs: Run[]
  /** By interior page: where this connection last missed a child of it. */
  readonly misses: Map<number, Misses>
}

/**
 * Predicts the next pages of a connection from its misses. Exact before speculative: if the
 * interior page above a missed page is known, its children are followed in key order; otherwise
 * page numbers.
 */
export class Prefetcher {
  readonly #readers = new LRUCache<number, ReaderState>({ max: CONNECTIONS })
  readonly #tree: TreeShape
  readonly #kinds: ReadonlySet<ReadAheadKind>

  constructor(tree: TreeShape, kinds: ReadonlySet<ReadAheadKind> = new Set(READ_AHEAD_KINDS)) {
    this.#tree = tree
    this.#kinds = kinds
  }

  /** The pages to fetch with a miss. */
  onMiss(reader: number, view: ReplicaView, pgno: number): Ahead {
    const state = this.#state(reader)
    const parent = this.#tree.parentOf(pgno)
    return parent === 0 ? this.#blind(state, view, pgno) : this.#known(state, view, pgno, parent)
  }

  /** The pages to fetch when a reader reaches the trigger of one of its runs. */
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
    // A map of every interior page with a miss would grow with the database.
    if (state.misses.size > 4096) state.misses.clear()
    const running = state.runs.find((run) => run.tree && (run.pending.has(pgno) || this.#follows(run, pgno)))
    if (running) {
      if (!running.pending.has(pgno)) running.last = pgno
      return this.#next(running, view)
    }
    const siblings = this.#tree.childrenOf(parent) as Uint32Array
    // Scans do not move sideways among interior pages: a scan reaches the next one only through its
    // leaves.
    if (siblings.some((sibling) => this.#tree.childrenOf(sibling) !== undefined)) {
      return this.#dense(before, DENSE_INTERIOR, siblings)
    }
    const few = this.#few(view, siblings)
    if (few) return few
    const step = before ? position - before.position : 0
    if (step !== 0 && this.#adjoins(view, siblings, position, step)) {
      return this.#begin(state, view, pgno, step > 0 ? 1 : -1, FIRST_WINDOW, true)
    }
    // A scan begins with the first or last leaf of a tree; a look-up seldom ends there.
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

  /** The leaves after a second miss near another one, if they are together in one file. */
  #cluster(view: ReplicaView, siblings: Uint32Array, position: number, step: number): number[] {
    if (step === 0 || Math.abs(step) > CLUSTER_LEAVES || !this.#kinds.has('leaves')) return []
    const { map } = view.state
    const direction = Math.sign(step)
    const here = map.find(siblings[position]!)
    const pages: number[] = []
    for (let i = 1; i <= Math.abs(step) * CLUSTER_STEPS; i++) {
      const page = siblings[position + i * direction]
      if (page === undefined) break
      const { file, offset } = map.find(page)
      if (file !== here.file || Math.abs(offset - here.offset) > CLUSTER_BYTES) break
      pages.push(page)
    }
    return pages
  }

  /**
   * All pages under an interior page, if they are few and close together: one request fetches all
   * at the cost of one.
   */
  #few(view: ReplicaView, siblings: Uint32Array): Ahead | undefined {
    if (!this.#kinds.has('leaves') || siblings.length > FEW_LEAVES) return undefined
    let [start, end] = [Number.POSITIVE_INFINITY, 0]
    const { map } = view.state
    const file = map.fileOf(siblings[0])
    for (const sibling of siblings) {
      const place = map.find(sibling)
      if (place.file !== file) return undefined
      start = Math.min(start, place.offset)
      end = Math.max(end, place.offset + place.size)
    }
    return end - start <= FEW_BYTES ? { kind: 'leaves', pages: [...siblings], trigger: 0 } : undefined
  }

  /** The rest of the pages under an interior page, after `threshold` misses. */
  #dense(before: Misses | undefined, threshold: number, siblings: Uint32Array): Ahead {
    if (!this.#kinds.has('leaves') || before?.count !== threshold - 1) return NOTHING
    return { kind: 'leaves', pages: [...siblings], trigger: 0 }
  }

  /**
   * Whether a miss is adjacent to the one `step` places before it, or only resident pages are
   * between the two.
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
    // A window takes at most a quarter of the cache; otherwise it would evict itself before it is
    // read.
    const budget = Math.min(run.window, (view.store.slots * pageSize) / 4)
    const count = Math.max(1, Math.floor(budget / pageSize))
    const pages = run.tree
      ? this.#tree.following(run.last, run.direction, count)
      : Array.from({ length: Math.min(count, commit - run.last) }, (_, i) => run.last + 1 + i)
    if (pages.length === 0) return NOTHING
    // Small windows are read faster than the next one arrives, so the next is requested at the
    // first page of this one.
    run.trigger = pages[run.window <= EARLY_WINDOW ? 0 : Math.floor(pages.length / 2)]
    run.window = Math.min(LAST_WINDOW, run.window * (run.window < EDGE_WINDOW ? GROWTH : SCAN_GROWTH))
    run.last = pages[pages.length - 1]
    run.pending = new Set(pages)
    return { kind: 'scan', pages, trigger: run.trigger }
  }
}
