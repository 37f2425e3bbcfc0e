import { type Cell, INDEX_INTERIOR, INDEX_LEAF, parseCell, TABLE_INTERIOR, TABLE_LEAF } from './cell.js'
import { checkPageLayout } from './check-layout.js'

export type TreeKind = 'table' | 'index'

export interface BtreePage {
  readonly bytes: Buffer
  readonly isLeaf: boolean
  readonly cells: readonly Cell[]
  /** Root page of the rightmost subtree, or 0 if the page is a leaf. */
  readonly rightChild: number
}

/**
 * Returns the kind of b-tree to which a page of type `type` belongs. Returns undefined if `type` is
 * not a b-tree page type.
 */
export function kindOfType(type: number): TreeKind | undefined {
  if (type === TABLE_INTERIOR || type === TABLE_LEAF) return 'table'
  return type === INDEX_INTERIOR || type === INDEX_LEAF ? 'index' : undefined
}

/**
 * Parses a b-tree page. Checks that the contents are within the page and do not overlap. Returns a
 * fault as text.
 */
export function parsePage(bytes: Buffer, pgno: number, kind: TreeKind, usable: number): BtreePage | string {
  // On page 1, the page header follows the database header.
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
