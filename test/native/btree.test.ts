import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxFrameSize } from '../../src/ltx/format.js'
import { native } from '../../src/native/addon.js'

// The numbers in a b-tree page come from a replica, so no number may make the code read outside the
// page.

const PAGE_SIZE = 512
const TABLE_INTERIOR = 5
const INDEX_LEAF = 10
const TABLE_LEAF = 13
const PGNO = 2

/** Encodes a number as a SQLite varint of 9 bytes, which can hold every 64-bit number. */
function varint9(n: bigint): number[] {
  const high = Array.from({ length: 8 }, (_, i) => Number((n >> BigInt(8 + 7 * (7 - i))) & 0x7fn) | 0x80)
  return [...high, Number(n & 0xffn)]
}

/** Returns a page with one cell, which ends at the end of the page. */
function pageWithCell(type: number, cell: readonly number[]): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE)
  const at = PAGE_SIZE - cell.length
  page.set([type, 0, 0, 0, 1, at >> 8, at & 0xff, 0, at >> 8, at & 0xff])
  page.set(cell, at)
  return page
}

/** Returns a record whose header has these serial types, followed by `body` bytes. */
function record(types: readonly bigint[], body: number): number[] {
  const header = types.flatMap(varint9)
  return [header.length + 1, ...header, ...new Array<number>(body).fill(1)]
}

/** Returns a cache with the page in slot 0. */
function inCache(page: Uint8Array) {
  const cache = native.createCache(PAGE_SIZE, 64)
  const frame = new Uint8Array(maxFrameSize(PAGE_SIZE))
  const size = native.encodeFrames(
    new BigUint64Array(1),
    PAGE_SIZE,
    Uint32Array.of(PGNO),
    page,
    frame,
    new Uint32Array(1),
  )
  assert.equal(native.fillSlots(0, 0, cache, frame, Uint32Array.of(0, size, PGNO, 0, 0)), 1)
  return cache
}

const ALL_ONES = 2n ** 64n - 1n
/**
 * Serial types of one record. The columns do not fit into the record, and the sum of their sizes
 * may wrap to a small number.
 */
const HOSTILE: Record<string, readonly bigint[]> = {
  'one column of nearly 2^63 bytes': [ALL_ONES],
  'two columns whose sizes wrap to 0': [2n ** 63n + 12n, 2n ** 63n + 12n, 2n ** 63n + 12n, 2n ** 63n + 12n],
  'two columns of nearly 2^63 bytes, and a small one': [ALL_ONES, ALL_ONES, 1n],
  'a small column, four that wrap, and the root page': [1n, ALL_ONES, ALL_ONES, 4n],
  'a size that wraps to 4': [ALL_ONES, ALL_ONES, 2n * 6n + 12n, 4n],
}

for (const [name, types] of Object.entries(HOSTILE)) {
  test(`the b-tree parser returns no entry, no row and no root for a leaf with ${name}`, () => {
    const cell = record(types, 8)
    const index = inCache(pageWithCell(INDEX_LEAF, [cell.length, ...cell]))
    assert.deepEqual(native.indexEntries(index, 0, PGNO), Float64Array.of(Number.NaN, 0))
    const table = inCache(pageWithCell(TABLE_LEAF, [cell.length, 7, ...cell]))
    assert.ok(native.rowIntegers(table, 0, PGNO, 7).length < types.length)
    assert.deepEqual(native.schemaRoots(table, 0, PGNO, 100), new Uint32Array())
  })
}

test('the b-tree parser returns no entries for a page if a cell size or a record header size extends beyond the page', () => {
  for (const size of [PAGE_SIZE, 2 ** 31, 2 ** 53]) {
    const cell = [...varint9(BigInt(size)), 7, ...varint9(BigInt(size)), 1, 1, 1]
    const table = inCache(pageWithCell(TABLE_LEAF, cell))
    assert.deepEqual(native.rowIntegers(table, 0, PGNO, 7), new Float64Array(), `${size}`)
    assert.deepEqual(native.schemaRoots(table, 0, PGNO, 100), new Uint32Array(), `${size}`)
    const index = inCache(pageWithCell(INDEX_LEAF, cell))
    assert.deepEqual(native.indexEntries(index, 0, PGNO), Float64Array.of(Number.NaN, 0), `${size}`)
  }
})

/**
 * Returns an interior page of a table whose cells point to these children. The pointer in the
 * header of the page leads to the last child.
 */
function interiorPage(children: readonly number[]): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE)
  const view = new DataView(page.buffer)
  const cells = children.slice(0, -1)
  view.setUint8(0, TABLE_INTERIOR)
  view.setUint16(3, cells.length)
  view.setUint32(8, children.at(-1)!)
  cells.forEach((child, i) => {
    const at = PAGE_SIZE - 5 * (i + 1)
    view.setUint16(12 + 2 * i, at)
    view.setUint32(at, child)
    view.setUint8(at + 4, i)
  })
  return page
}

test('the b-tree parser returns the children of an interior page only if all children are different pages of the database', () => {
  const childrenOf = (children: readonly number[]) => [
    ...native.btreeChildren(inCache(interiorPage(children)), 0, PGNO, 100),
  ]
  assert.deepEqual(childrenOf([3, 4, 100]), [3, 4, 100])
  for (const unsound of [
    [3, 4, 3],
    [3, 3, 4],
    [3, 101],
    [0, 3],
    [3, PGNO],
    [3, 0xffffffff],
  ]) {
    assert.deepEqual(childrenOf(unsound), [], String(unsound))
  }
})

test('a page header whose cells do not fit into the page is not a b-tree page header', () => {
  const page = interiorPage([3, 4])
  // 2 bytes a cell would fit: (512 - 12) / 2 = 250.
  new DataView(page.buffer).setUint16(3, 200)
  assert.deepEqual([...native.btreeChildren(inCache(page), 0, PGNO, 100)], [])
})
