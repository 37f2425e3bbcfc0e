import { type Cell, INDEX_INTERIOR, INDEX_LEAF, parseCell, TABLE_INTERIOR, TABLE_LEAF } from './cell.js'
import { checkPageLayout } from './check-layout.js'

export type TreeKind = 'table' | 'index'

export interface BtreePage {
  readonly bytes: Buffer
  readonly isLeaf: boolean
  readonly cells: readonly Cell[]
  /** Page number of the last subtree; 0 on a leaf. */
  readonly rightChild: number
}

/** The kind of b-tree that a page of this type belongs to; undefined if it is no b-tree page. */
export function kindOfType(type: number): TreeKind | undefined {
  if (type === TABLE_INTERIOR || type === TABLE_LEAF) return 'table'
  return type === INDEX_INTERIOR || type === INDEX_LEAF ? 'index' : undefined
}

/** Parses a page of a b-tree and checks that everything in it is within it and overlaps nothing. Returns a fault in words. */
export function parsePage(bytes: Buffer, pgno: number, kind: TreeKind, usable: number): BtreePage | string {
  // Before the first page's own header is the database's.
  const header = pgno === 1 ? 100 : 0
  const type = bytes[header]!
  if (kindOfType(type) !== kind) return `page type ${type} in a b-tree of type ${kind}`
  const isLeaf = type === TABLE_LEAF || type === INDEX_LEAF
  const count = bytes.readUInt16BE(header + 3)
  const pointers = header + (isLeaf ? 8 : 12)
  const end = pointers + 2 * count
  if (end > usable) return `${count} cells do not fit`
  const cells: Cell[] = []
  for (let i = 0; i < count; i++) {
    const at = bytes.readUInt16BE(pointers + 2 * i)
    const cell = at < end ? undefined : parseCell(bytes, type, at, usable)
    if (!cell) return `cell ${i} extends beyond the page`
    cells.push(cell)
  }
  const fault = checkPageLayout(bytes, header, end, usable, cells)
  return fault ?? { bytes, isLeaf, cells, rightChild: isLeaf ? 0 : bytes.readUInt32BE(header + 8) }
}
