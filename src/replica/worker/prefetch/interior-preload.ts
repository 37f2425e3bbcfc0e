import { native } from '../../../native/addon.js'
import type { Fetcher } from '../pages/fetcher.js'
import { setTrigger, slotOf } from '../pages/resident.js'
import type { TreeShape } from '../pages/tree-shape.js'
import type { ReplicaView } from '../pages/view-set.js'

/**
 * Maximum fraction of the cache that the preload may fill. The rest of the cache is left for pages
 * that readers need.
 */
const SHARE = 1 / 4
/**
 * Maximum compressed size in bytes of a table that is preloaded completely. The root page is not
 * included.
 */
const SMALL_TABLE = 64 * 1024
/** Maximum depth of a b-tree, which prevents an endless loop if a page is damaged. */
const MAX_DEPTH = 20
/**
 * Maximum number of blocks of a page index that the preload reads. The interior pages of a large
 * table are so far apart that each of them needs its own block.
 */
const INDEX_BLOCKS = 64

const SCHEMA_ROOT = 1

/**
 * Fetches the interior pages of every b-tree level by level. The preload runs in the background
 * after the replica was opened. After the preload, a look-up fetches only a leaf. The preload
 * fetches small tables completely. A parent page does not say whether its children are interior
 * pages. All children of a page have the same kind. The preload therefore fetches the first child
 * of a parent page before the other children. If the first child is a leaf, a read of this leaf
 * shows that a scan begins.
 */
export class InteriorPreload {
  readonly #tree: TreeShape
  readonly #fetcher: Fetcher
  readonly #current: () => ReplicaView
  readonly #signal: AbortSignal
  #left: number
  #blocksLeft = INDEX_BLOCKS

  constructor(options: {
    readonly tree: TreeShape
    readonly fetcher: Fetcher
    /** Returns the newest view. The preload fetches the next pages for this view. */
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
    // Each element of `levels` has the pages of one level of one b-tree. The kind of a root page is
    // known only when that page is resident.
    let levels = (await this.#roots()).map((root) => [root])
    for (let depth = 0; depth < MAX_DEPTH && levels.length > 0 && !this.#signal.aborted; depth++) {
      levels = await this.#descend(levels)
    }
  }

  /** Fetches one level of each tree. Returns the next levels whose pages are interior pages. */
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
      // If a level does not fit into the budget, the level and the subtrees below it are skipped.
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

  /**
   * Sets a trigger on the first leaf of a tree, because a read of that leaf shows that a scan
   * begins.
   */
  #expectScan(pgno: number): void {
    setTrigger(this.#current(), pgno)
  }

  async #bring(pages: readonly number[]): Promise<void> {
    if (pages.length > 0 && !this.#signal.aborted) await this.#fetcher.bring(this.#current(), pages, 'interior')
  }

  /**
   * Returns the levels that fit into the budgets of pages and of page index blocks, and subtracts
   * these levels from the budgets. The shortest level comes first.
   */
  #affordable(levels: readonly number[][]): number[][] {
    return [...levels]
      .sort((a, b) => a.length - b.length)
      .filter((pages) => {
        if (pages.length > this.#left) return false
        const blocks = this.#current().state.map.unreadBlocks(pages)
        if (blocks > this.#blocksLeft) return false
        this.#blocksLeft -= blocks
        this.#left -= pages.length
        return true
      })
  }

  #childrenOf(pages: readonly number[]): number[] {
    return pages.flatMap((pgno) => [...(this.#tree.childrenOf(pgno) ?? [])])
  }

  #bytes(pages: readonly number[]): number {
    const { map } = this.#current().state
    return pages.reduce((bytes, pgno) => bytes + map.approximate(pgno).size, 0)
  }
}
