/** Type bytes of SQLite's b-tree pages, as native code reports them. */
export const INDEX_INTERIOR = 2
export const TABLE_INTERIOR = 5
export const INDEX_LEAF = 10
export const TABLE_LEAF = 13

export function isInterior(type: number): boolean {
  return type === INDEX_INTERIOR || type === TABLE_INTERIOR
}

/** Number of pages whose parents share one array. */
const CHUNK_PAGES = 1024
/**
 * Maximum depth of a b-tree. Damaged pages can be each other's parents, so every walk up or
 * sideways ends at this depth.
 */
const MAX_DEPTH = 20

/**
 * The known shape of the b-trees: the children of every fetched interior page, and so the parent of
 * each child. Learned from pages of any view and never corrected when a tree changes: it only
 * decides what to prefetch, so a wrong entry costs one unneeded page. 8 bytes per page with a known
 * parent; up to 4 KiB for isolated pages.
 */
export class TreeShape {
  readonly #children = new Map<number, Uint32Array>()
  /**
   * Indexed by `pgno / CHUNK_PAGES`. Page numbers come from a replica: an array up to the highest
   * one could take gigabytes.
   */
  readonly #parents = new Map<number, Uint32Array>()

  /**
   * Records an interior page and its children, in key order. Every child must be in a file of the
   * replica.
   */
  learn(pgno: number, children: Uint32Array): void {
    if (children.length === 0) return
    this.#children.set(pgno, children)
    for (const child of children) {
      const at = Math.floor(child / CHUNK_PAGES)
      let chunk = this.#parents.get(at)
      if (!chunk) {
        chunk = new Uint32Array(CHUNK_PAGES)
        this.#parents.set(at, chunk)
      }
      chunk[child % CHUNK_PAGES] = pgno
    }
  }

  /** 0: unknown. */
  parentOf(pgno: number): number {
    return this.#parents.get(Math.floor(pgno / CHUNK_PAGES))?.[pgno % CHUNK_PAGES] ?? 0
  }

  childrenOf(pgno: number): Uint32Array | undefined {
    return this.#children.get(pgno)
  }

  /** The highest known ancestor of a page. */
  rootOf(pgno: number): number {
    let page = pgno
    for (let depth = 0; depth < MAX_DEPTH && this.parentOf(page) !== 0; depth++) page = this.parentOf(page)
    return page
  }

  /** The position of a page among its parent's children; -1: unknown. */
  position(pgno: number): number {
    return this.childrenOf(this.parentOf(pgno))?.indexOf(pgno) ?? -1
  }

  /** The neighbour of an interior page on its level: 1 = right, -1 = left; returns 0 if unknown. */
  neighbour(pgno: number, direction: 1 | -1, depth = 0): number {
    if (depth === MAX_DEPTH) return 0
    const parent = this.parentOf(pgno)
    const siblings = this.childrenOf(parent)
    if (!siblings) return 0
    const at = siblings.indexOf(pgno) + direction
    if (at >= 0 && at < siblings.length) return siblings[at]
    const aunt = this.neighbour(parent, direction, depth + 1)
    return this.childrenOf(aunt)?.at(direction === 1 ? 0 : -1) ?? 0
  }

  /**
   * Up to `count` pages that follow `pgno` on its level, in the given key direction. If the next
   * parent's children are unknown, the last page returned is that parent, because it must be
   * fetched first.
   */
  following(pgno: number, direction: 1 | -1, count: number): number[] {
    const pages: number[] = []
    let parent = this.parentOf(pgno)
    let siblings = this.childrenOf(parent)
    let at = siblings ? siblings.indexOf(pgno) : -1
    while (siblings && pages.length < count) {
      at += direction
      if (at >= 0 && at < siblings.length) {
        pages.push(siblings[at])
        continue
      }
      parent = this.neighbour(parent, direction)
      if (parent === 0) break
      siblings = this.childrenOf(parent)
      if (!siblings) pages.push(parent)
      else at = direction === 1 ? -1 : siblings.length
    }
    return pages
  }

  /** Whether no page of the tree comes before (-1) or after (1) this one on its level. */
  isOutermost(pgno: number, direction: 1 | -1, depth = 0): boolean {
    if (depth === MAX_DEPTH) return false
    const parent = this.parentOf(pgno)
    const siblings = this.childrenOf(parent)
    if (!siblings || siblings.at(direction === 1 ? -1 : 0) !== pgno) return false
    return this.parentOf(parent) === 0 || this.isOutermost(parent, direction, depth + 1)
  }
}
