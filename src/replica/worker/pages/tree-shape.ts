/** Types of SQLite's b-tree pages, as native code reports them. */
export const INDEX_INTERIOR = 2
export const TABLE_INTERIOR = 5
export const INDEX_LEAF = 10
export const TABLE_LEAF = 13

export function isInterior(type: number): boolean {
  return type === INDEX_INTERIOR || type === TABLE_INTERIOR
}

/**
 * What is known of the b-trees: the children of every interior page that came by, and so the parent of each. Learned from pages of
 * any view and never corrected when a tree changes: it only decides what to fetch ahead, so a wrong entry costs a page fetched in
 * vain. 8 bytes a page whose parent is known.
 */
export class TreeShape {
  readonly #children = new Map<number, Uint32Array>()
  #parents = new Uint32Array(0)

  /** Notes an interior page and its children, in key order. */
  learn(pgno: number, children: Uint32Array): void {
    if (children.length === 0) return
    this.#children.set(pgno, children)
    for (const child of children) {
      if (child >= this.#parents.length) {
        const grown = new Uint32Array(Math.max(child + 1, Math.ceil(this.#parents.length * 1.5), 1024))
        grown.set(this.#parents)
        this.#parents = grown
      }
      this.#parents[child] = pgno
    }
  }

  /** 0: not known. */
  parentOf(pgno: number): number {
    return this.#parents[pgno] ?? 0
  }

  childrenOf(pgno: number): Uint32Array | undefined {
    return this.#children.get(pgno)
  }

  /** The highest page known above a page. */
  rootOf(pgno: number): number {
    let page = pgno
    // A wrong shape must not lead in circles.
    for (let depth = 0; depth < 20 && this.parentOf(page) !== 0; depth++) page = this.parentOf(page)
    return page
  }

  /** Where a page stands among its parent's children; -1: not known. */
  position(pgno: number): number {
    return this.childrenOf(this.parentOf(pgno))?.indexOf(pgno) ?? -1
  }

  /** The neighbour of an interior page on its level: 1 to the right, -1 to the left; 0: none known. */
  neighbour(pgno: number, direction: 1 | -1): number {
    const parent = this.parentOf(pgno)
    const siblings = this.childrenOf(parent)
    if (!siblings) return 0
    const at = siblings.indexOf(pgno) + direction
    if (at >= 0 && at < siblings.length) return siblings[at]
    const aunt = this.neighbour(parent, direction)
    return this.childrenOf(aunt)?.at(direction === 1 ? 0 : -1) ?? 0
  }

  /**
   * Up to `count` pages that follow `pgno` on its level, in key order or against it. Where the next parent's children are not known
   * the parent itself is the last page given, because it has to be fetched first.
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
  isOutermost(pgno: number, direction: 1 | -1): boolean {
    const parent = this.parentOf(pgno)
    const siblings = this.childrenOf(parent)
    if (!siblings || siblings.at(direction === 1 ? -1 : 0) !== pgno) return false
    return this.parentOf(parent) === 0 || this.isOutermost(parent, direction)
  }
}
