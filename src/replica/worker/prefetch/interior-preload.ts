import { native } from '../../../native/addon.js'
import type { Fetcher } from '../pages/fetcher.js'
import { setTrigger, slotOf } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'

/** Maximum fraction of the cache: preloaded pages must leave room for pages that readers need. */
const SHARE = 1 / 4
/** Maximum compressed size in bytes of a table, without its root, that is preloaded completely. */
const SMALL_TABLE = 64 * 1024
/** Maximum depth of a b-tree: a damaged page must not cause an endless loop. */
const MAX_DEPTH = 20

const SCHEMA_ROOT = 1

/**
 * After an opening, fetches the interior pages of every b-tree in the background, level by level,
 * so that a look-up costs only its leaf; small tables are fetched completely. A parent page does
 * not tell whether its children are interior pages, but all of them have the same kind. Therefore,
 * the first child is fetched before the others; if that child is a leaf, scans begin with it.
 */
export class InteriorPreload {
  readonly #tree: TreeShape
  readonly #fetcher: Fetcher
  readonly #current: () => ReplicaView
  readonly #signal: AbortSignal
  #left: number

  constructor(options: {
    readonly tree: TreeShape
    readonly fetcher: Fetcher
    /** The newest view at each step; pages are fetched for it. */
    readonly current: () => ReplicaView
    readonly signal: AbortSignal
  }) {
    this.#tree = options.tree
    this.#fetcher = options.fetcher
    this.#current = options.current
    this.#signal = options.signal
    this.#left = Math.floor(this.#current().store.slots * SHARE)
  }

  async run(): Promise<void> {
    // The pages of one level of each tree; the kind of the roots is known only when they are
    // resident.
    let levels = (await this.#roots()).map((root) => [root])
    for (let depth = 0; depth < MAX_DEPTH && levels.length > 0 && !this.#signal.aborted; depth++) {
      levels = await this.#descend(levels)
    }
  }

  /** Fetches one level of each tree; returns the next levels that are also interior. */
  async #descend(levels: readonly number[][]): Promise<number[][]> {
    const brought = this.#affordable(levels)
    await this.#bring(brought.flat())
    const below = brought.map((pages) => this.#childrenOf(pages)).filter((pages) => pages.length > 0)
    await this.#bring(this.#affordable(below.map(([first]) => [first])).flat())
    const leaves = below.filter(([first]) => this.#tree.childrenOf(first) === undefined)
    await this.#bring(this.#affordable(leaves.filter((pages) => this.#bytes(pages) <= SMALL_TABLE)).flat())
    for (const [first] of leaves) this.#expectScan(first)
    return below.filter(([first]) => this.#tree.childrenOf(first) !== undefined)
  }

  async #roots(): Promise<number[]> {
    let pages = [SCHEMA_ROOT]
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      await this.#bring(pages)
      // A level beyond the budget is skipped, together with the subtrees below it.
      const children = this.#affordable([this.#childrenOf(pages)]).flat()
      if (children.length === 0) break
      pages = children
    }
    const { store, state } = this.#current()
    return pages.flatMap((pgno) => {
      const slot = slotOf(this.#current(), pgno)
      return slot === undefined ? [] : [...native.schemaRoots(store.cache, slot, pgno, state.commit)]
    })
  }

  /** Marks the first leaf of a tree: reading it means that a scan begins. */
  #expectScan(pgno: number): void {
    setTrigger(this.#current(), pgno)
  }

  async #bring(pages: readonly number[]): Promise<void> {
    if (pages.length > 0 && !this.#signal.aborted) await this.#fetcher.bring(this.#current(), pages, 'interior')
  }

  /** The levels that fit into the budget, shortest first; subtracts them from it. */
  #affordable(levels: readonly number[][]): number[][] {
    return [...levels]
      .sort((a, b) => a.length - b.length)
      .filter((pages) => {
        if (pages.length > this.#left) return false
        this.#left -= pages.length
        return true
      })
  }

  #childrenOf(pages: readonly number[]): number[] {
    return pages.flatMap((pgno) => [...(this.#tree.childrenOf(pgno) ?? [])])
  }

  #bytes(pages: readonly number[]): number {
    const { map } = this.#current().state
    return pages.reduce((bytes, pgno) => bytes + map.find(pgno).size, 0)
  }
}
