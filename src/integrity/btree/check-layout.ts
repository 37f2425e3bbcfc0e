import type { Cell } from './cell.js'

/**
 * Checks that the cells and free blocks of a b-tree page do not overlap. Also checks that the page
 * header states the correct number of unused bytes between cells and free blocks. `end` is the
 * offset of the end of the cell pointer array. Returns the fault as text, or undefined for a valid
 * layout.
 */
export function checkPageLayout(
  page: Buffer,
  header: number,
  end: number,
  usable: number,
  cells: readonly Cell[],
): string | undefined {
  // The page header stores the offset 65,536 as 0.
  const content = page.readUInt16BE(header + 5) || 65536
  if (content < end || content > usable) return `the cell content area begins at ${content}`
  const parts = cells.map(({ at, end: after }): [number, number] => [at, after])
  for (let block = page.readUInt16BE(header + 1), before = 0; block !== 0; ) {
    if (block <= before || block + 4 > usable) return `a free block at ${block}`
    const size = page.readUInt16BE(block + 2)
    if (size < 4 || block + size > usable) return `a free block of ${size} bytes at ${block}`
    parts.push([block, block + size])
    before = block
    block = page.readUInt16BE(block)
  }
  parts.sort((a, b) => a[0] - b[0])
  let fragments = 0
  let position = content
  for (const [from, to] of parts) {
    if (from < position) return `byte ${from} is used twice, or before the cell content area`
    fragments += from - position
    position = to
  }
  fragments += usable - position
  const counted = page[header + 7]!
  return fragments === counted ? undefined : `${fragments} fragmented bytes, but the page header counts ${counted}`
}
