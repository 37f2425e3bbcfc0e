import { RecentMap } from '../../../util/recent-map.js'

/** Type bytes of SQLite's b-tree pages, as native code reports them. */
export const INDEX_INTERIOR = 2
export const TABLE_INTERIOR = 5
export const INDEX_LEAF = 10
export const TABLE_LEAF = 13

export function isInterior(type: number): boolean {
  return type === INDEX_INTERIOR || type === TABLE_INTERIOR
}

/** Number of pages whose parents are stored in one array. */
const CHUNK_PAGES = 1024
/** Maximum number of pages whose parents are known. The pages take 32 MiB of memory. */
const MAX_PAGES = 4 * 1024 * 1024
/**
 * Maximum depth of a b-tree. Two damaged pages can name each other as parent. Every walk through
 * the tree therefore ends at MAX_DEPTH.
 */
const MAX_DEPTH = 20

/**
 * The known shape of the b-trees. The shape consists of the children of every fetched interior
 * page, and the parent of each child. TreeShape learns from the pages of all views. TreeShape is
 * not corrected when a tree changes. A TreeShape only decides which pages are prefetched, so a
 * wrong parent costs one unneeded page. A TreeShape needs 8 bytes per page with a known parent, and
 * up to 4 KiB for an isolated page. If more than MAX_PAGES children, or the parents of more than
 * MAX_PAGES pages, were learned, the TreeShape forgets what was used least recently.
 */
export class TreeShape {
  readonly #children = new RecentMap<number, Uint32Array>(MAX_PAGES, ({ length }) => length)
  /**
   * The parents of pages. The key is `pgno / CHUNK_PAGES`. Page numbers come from a replica. An
   * array up to the highest page number could take gigabytes.
   */
  readonly #parents = new RecentMap<number, Uint32Array>(MAX_PAGES / CHUNK_PAGES)

  /**
   * Records an interior page and its children, in key order. Each child must be a page that a file
   * of the replica contains.
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

  /** Returns the parent of a page. Returns 0 if the parent is unknown. */
  parentOf(pgno: number): number {
    return this.#parents.get(Math.floor(pgno / CHUNK_PAGES))?.[pgno % CHUNK_PAGES] ?? 0
  }

  childrenOf(pgno: number): Uint32Array | undefined {
    return this.#children.get(pgno)
  }

  /** Returns the highest known ancestor of a page. */
  rootOf(pgno: number): number {
    let page = pgno
    for (let depth = 0; depth < MAX_DEPTH && this.parentOf(page) !== 0; depth++) page = this.parentOf(page)
    return page
  }

  /** Returns the position of a page among its siblings. Returns -1 if the position is unknown. */
  position(pgno: number): number {
    return this.childrenOf(this.parentOf(pgno))?.indexOf(pgno) ?? -1
  }

  /**
   * Returns the right (1) or left (-1) neighbour of an interior page on the same level of the tree.
   * Returns 0 if the neighbour is unknown.
   */
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
   * Returns up to `count` pages that follow `pgno` on the same level of the tree, in the given key
   * direction. If the children of the next parent are unknown, the last page in the list is that
   * parent, because the parent must be fetched first.
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

  /**
   * Returns whether `pgno` is the first (direction -1) or the last (direction 1) page on its level
   * of the tree.
   */
  isOutermost(pgno: number, direction: 1 | -1, depth = 0): boolean {
    if (depth === MAX_DEPTH) return false
    const parent = this.parentOf(pgno)
    const siblings = this.childrenOf(parent)
    if (!siblings || siblings.at(direction === 1 ? -1 : 0) !== pgno) return false
    return this.parentOf(parent) === 0 || this.isOutermost(parent, direction, depth + 1)
  }
}
