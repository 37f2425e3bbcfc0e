import type { Cell } from './cell.js'
import type { DatabasePages } from './database-pages.js'
import type { PageUsage } from './page-usage.js'
import { parsePage, type TreeKind } from './parse-page.js'

/** Maximum depth of a b-tree, as in SQLite. */
const MAX_DEPTH = 20

/**
 * Reads all pages of one b-tree and checks the structure of the b-tree. Every page must have the
 * type of the b-tree and must be referenced once. The cells of a page must be within the page and
 * must not overlap. Each overflow chain must have the length that its payload needs. Rowids must
 * ascend, and all leaves must have the same depth.
 */
export class TreeWalk {
  readonly #pages: DatabasePages
  readonly #usage: PageUsage
  readonly #name: string
  readonly #kind: TreeKind
  readonly #onLeafCell: ((page: Buffer, cell: Cell) => void) | undefined
  /** The rowid of the previous cell. */
  #last: number | bigint | undefined
  #leafDepth: number | undefined

  /**
   * `onLeafCell` is called for every cell of every leaf page, in order, with the content of the
   * page.
   */
  constructor(
    pages: DatabasePages,
    usage: PageUsage,
    name: string,
    kind: TreeKind,
    onLeafCell?: (page: Buffer, cell: Cell) => void,
  ) {
    this.#pages = pages
    this.#usage = usage
    this.#name = name
    this.#kind = kind
    this.#onLeafCell = onLeafCell
  }

  run(root: number): void {
    this.#walk(root, 1, this.#name)
  }

  #walk(pgno: number, depth: number, by: string): void {
    if (!this.#usage.use(pgno, by)) return
    const where = `${this.#name}, page ${pgno}`
    const page = this.#parse(pgno, depth)
    if (typeof page === 'string') {
      this.#usage.fault(`${where}: ${page}`)
      return
    }
    for (const cell of page.cells) {
      if (cell.child !== undefined) this.#walk(cell.child, depth + 1, where)
      this.#checkCell(cell, page.isLeaf, where)
      if (page.isLeaf) this.#onLeafCell?.(page.bytes, cell)
    }
    if (!page.isLeaf) this.#walk(page.rightChild, depth + 1, where)
  }

  #parse(pgno: number, depth: number) {
    if (pgno === this.#pages.lockPage) return 'the lock page is in use'
    if (depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`
    const page = parsePage(this.#pages.read(pgno), pgno, this.#kind, this.#pages.usable)
    if (typeof page === 'string' || !page.isLeaf) return page
    this.#leafDepth ??= depth
    return this.#leafDepth === depth ? page : `leaf pages at depth ${depth} and at depth ${this.#leafDepth}`
  }

  #checkCell({ rowid, payload }: Cell, isLeaf: boolean, where: string): void {
    if (rowid !== undefined) {
      // The rowid of an interior cell is at least the largest rowid of the subtree to its left.
      const inOrder = this.#last === undefined || rowid > this.#last || (!isLeaf && rowid === this.#last)
      if (!inOrder) this.#usage.fault(`${where}: rowid ${rowid} follows rowid ${this.#last}, but rowids must ascend`)
      this.#last = rowid
    }
    if (payload?.overflow !== undefined) this.#checkOverflow(payload.overflow, payload.size - payload.local, where)
  }

  #checkOverflow(first: number, bytes: number, where: string): void {
    const needed = Math.ceil(bytes / (this.#pages.usable - 4))
    let pgno = first
    for (let i = 0; i < needed; i++) {
      if (pgno === 0) {
        this.#usage.fault(`${where}: an overflow chain has ${i} pages instead of ${needed}`)
        return
      }
      if (!this.#usage.use(pgno, `${where}, overflow chain`)) return
      pgno = this.#pages.read(pgno).readUInt32BE(0)
    }
    if (pgno !== 0) this.#usage.fault(`${where}: an overflow chain continues after ${needed} pages`)
  }
}
