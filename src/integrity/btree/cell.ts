/** The b-tree page types of SQLite: the first byte of the page header. */
export const INDEX_INTERIOR = 0x02
export const TABLE_INTERIOR = 0x05
export const INDEX_LEAF = 0x0a
export const TABLE_LEAF = 0x0d

export interface Varint {
  /** The exact value of the integer. Values above 2^49 are bigints. */
  readonly value: number | bigint
  readonly end: number
}

/**
 * Reads SQLite's variable-length integer of 1 to 9 bytes, which begins with the most significant
 * bits. Returns undefined if the integer extends beyond `limit`.
 */
export function readVarint(page: Buffer, at: number, limit: number): Varint | undefined {
  let value = 0
  for (let i = 0; i < 7; i++) {
    if (at + i >= limit) return undefined
    const byte = page[at + i]!
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) return { value, end: at + i + 1 }
  }
  let large = BigInt(value)
  for (let i = 7; i < 9; i++) {
    if (at + i >= limit) return undefined
    const byte = page[at + i]!
    if (i === 8) return { value: BigInt.asIntN(64, (large << 8n) | BigInt(byte)), end: at + 9 }
    large = (large << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80) return { value: large, end: at + i + 1 }
  }
  return undefined
}

/** A cell of a b-tree page. A field is absent if the page type does not have the field. */
export interface Cell {
  /** Offset of the cell on the page. `end` is the offset of the first byte after the cell. */
  readonly at: number
  readonly end: number
  /** Root page of the subtree to the left of this cell. */
  readonly child?: number
  readonly rowid?: number | bigint
  readonly payload?: {
    /**
     * `size` is the total number of payload bytes. `local` is the number of payload bytes on this
     * page, and `from` is the offset of the first of them.
     */
    readonly size: number
    readonly local: number
    readonly from: number
    /** Page number of the first overflow page. */
    readonly overflow?: number
  }
}

/**
 * Returns the number of payload bytes on the b-tree page itself, according to
 * https://www.sqlite.org/fileformat2.html#b_tree_pages.
 */
function localSize(size: number, usable: number, isTable: boolean): number {
  const most = isTable ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23
  if (size <= most) return size
  const least = Math.floor(((usable - 12) * 32) / 255) - 23
  const local = least + ((size - least) % (usable - 4))
  return local <= most ? local : least
}

/** Parses a cell. Returns undefined for a cell that extends beyond the usable part of the page. */
export function parseCell(page: Buffer, type: number, at: number, usable: number): Cell | undefined {
  const isTable = type === TABLE_LEAF || type === TABLE_INTERIOR
  const isInterior = type === TABLE_INTERIOR || type === INDEX_INTERIOR
  let offset = at
  let child: number | undefined
  if (isInterior) {
    if (offset + 4 > usable) return undefined
    child = page.readUInt32BE(offset)
    offset += 4
  }
  if (type === TABLE_INTERIOR) {
    const rowid = readVarint(page, offset, usable)
    return rowid && { at, end: rowid.end, child: child!, rowid: rowid.value }
  }
  const size = readVarint(page, offset, usable)
  if (!size || typeof size.value === 'bigint') return undefined
  offset = size.end
  const rowid = isTable ? readVarint(page, offset, usable) : undefined
  if (isTable && !rowid) return undefined
  if (rowid) offset = rowid.end
  const local = localSize(size.value, usable, isTable)
  const overflows = local < size.value
  const end = offset + local + (overflows ? 4 : 0)
  if (end > usable) return undefined
  return {
    at,
    // SQLite allocates at least 4 bytes per cell.
    end: Math.max(end, at + 4),
    ...(child === undefined ? {} : { child }),
    ...(rowid ? { rowid: rowid.value } : {}),
    payload: {
      size: size.value,
      local,
      from: offset,
      ...(overflows ? { overflow: page.readUInt32BE(offset + local) } : {}),
    },
  }
}
