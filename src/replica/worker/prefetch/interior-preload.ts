import { native } from '../../../native/addon.js'
import type { Fetcher } from '../pages/fetcher.js'
import { setTrigger, slotOf } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'

/** Of the cache: what is brought before anyone asked must leave room for what is read. */
const SHARE = 1 / 4
/** Compressed bytes of a table, its root left out, that is brought whole. */
const SMALL_TABLE = 64 * 1024
/** No tree is deeper: a damaged page must not lead in circles. */
const MAX_DEPTH = 20

const SCHEMA_ROOT = 1

/**
 * After an opening, brings the interior pages of every b-tree, level by level in the background, so that a look-up costs its leaf
 * and no more; tables of a few pages come whole. Which pages are interior the page above them does not tell, but all its children
 * are alike: the first of them is looked at before the others are fetched, and is the leaf where a scan begins otherwise.
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
    /** The view that pages are brought for: the newest one, at every step. */
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
    // The pages of one level of each tree; which kind they are is known of the roots only once they are here.
    let levels = (await this.#roots()).map((root) => [root])
    for (let depth = 0; depth < MAX_DEPTH && levels.length > 0 && !this.#signal.aborted; depth++) {
      levels = await this.#descend(levels)
    }
  }

  /** Brings a level of each tree; returns the levels below those that are interior too. */
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
      // A level that the budget does not allow is left out, and so are the trees that it names.
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

  /** Reading the first leaf of a tree says that a scan of it begins. */
  #expectScan(pgno: number): void {
    setTrigger(this.#current(), pgno)
  }

  async #bring(pages: readonly number[]): Promise<void> {
    if (pages.length > 0 && !this.#signal.aborted) await this.#fetcher.bring(this.#current(), pages, 'interior')
  }

  /** The levels that the budget allows, short ones first; it is less by them afterwards. */
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
