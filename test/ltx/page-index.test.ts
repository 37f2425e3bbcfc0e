import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLitestreamError } from '../../src/errors.js'
import { HEADER_SIZE, maxFrameSize, PAGE_HEADER_SIZE } from '../../src/ltx/format.js'
import {
  decodePageIndex,
  encodePageIndex,
  type IndexRules,
  type PageIndex,
  PageIndexReader,
} from '../../src/ltx/page-index.js'
import { pageIndexOf } from '../support/page-index.js'

/** Pages of one chunk of a page map. */
const CHUNK_PAGES = 1024

/** Pages of this size have no lock page below 2^22. */
const PAGE_SIZE = 512

/**
 * An index whose pages have these distances and frames of these sizes, and where the index begins.
 */
function indexOf(steps: readonly { pgno: number; size: number }[]): { index: PageIndex; at: number } {
  let [pgno, end] = [0, HEADER_SIZE]
  const entries = steps.map((step) => {
    pgno += step.pgno
    const entry = { pgno, offset: end, size: step.size }
    end += step.size
    return entry
  })
  return { index: pageIndexOf(entries), at: end + PAGE_HEADER_SIZE }
}

const anIndex = fc
  .array(fc.record({ pgno: fc.integer({ min: 1, max: 900 }), size: fc.integer({ min: 11, max: 540 }) }), {
    maxLength: 40,
  })
  .map(indexOf)

const rulesOf = (index: PageIndex, rules: Partial<IndexRules> = {}): IndexRules => {
  const commit = index.pgnos.at(-1) ?? 1
  return { pageSize: PAGE_SIZE, commit, completeFrom: commit, ...rules }
}

/** The bytes in pieces, cut at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1))), 0, bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

/** Decodes an index into chunks that this function allocates. */
function mapped(pieces: readonly Uint8Array[], at: number, rules: IndexRules, here: readonly number[] = []) {
  const chunks = new Map<number, ArrayBuffer>()
  const own = (chunk: number) => {
    const buffer = chunks.get(chunk) ?? new ArrayBuffer(CHUNK_PAGES * 12)
    chunks.set(chunk, buffer)
    return buffer
  }
  const reader = new PageIndexReader('f', at, rules)
  const parts = pieces.map((piece) => reader.map(piece, { file: 5, own }, Float64Array.from(here), true))
  reader.end()
  const pgnos = parts.flatMap((part) => [...part.pgnos])
  const inPieces = parts.flatMap((part) => [...part.frames])
  const place = (pgno: number) => {
    const words = new Uint32Array(chunks.get(Math.floor((pgno - 1) / CHUNK_PAGES)) ?? new ArrayBuffer(CHUNK_PAGES * 12))
    const at = (pgno - 1) % CHUNK_PAGES
    const high = words[CHUNK_PAGES + at]!
    return {
      offset: words[at]! + Math.floor(high / 2 ** 18) * 2 ** 32,
      size: high % 2 ** 18,
      file: words[2 * CHUNK_PAGES + at],
    }
  }
  return { pgnos, frames: inPieces, place, count: reader.count, chunks: chunks.size }
}

const bytesOf = (index: PageIndex) => encodePageIndex(index).subarray(0, -8)

test('encoding and decoding return a page index unchanged, for chunks of any size, both into arrays and into a page map', () => {
  fc.assert(
    fc.property(anIndex, fc.array(fc.nat(), { maxLength: 6 }), ({ index, at }, places) => {
      const bytes = bytesOf(index)
      assert.deepEqual(decodePageIndex(bytes, 'f', at, rulesOf(index)), index)
      const map = mapped(cut(bytes, places), at, rulesOf(index))
      assert.deepEqual(map.pgnos, [...index.pgnos])
      assert.equal(map.count, index.count)
      for (let i = 0; i < index.count; i++) {
        const [pgno, offset, size] = [index.pgnos[i]!, index.offsets[i]!, index.sizes[i]!]
        assert.deepEqual(map.place(pgno), { offset, size, file: 5 })
      }
    }),
  )
})

test('the page index decoder lists frames inside given byte ranges separately, and requests each chunk of the page map once', () => {
  const { index, at } = indexOf(Array.from({ length: 3000 }, () => ({ pgno: 1, size: 20 })))
  const end = at - PAGE_HEADER_SIZE
  const map = mapped([bytesOf(index)], at, rulesOf(index), [0, 160, end - 45, end])
  assert.deepEqual(map.frames, [1, 100, 20, 2, 120, 20, 3, 140, 20, 2999, end - 40, 20, 3000, end - 20, 20])
  assert.equal(map.chunks, 3)
})

/** Entries of a faulty index: page number, offset and size each. */
type Entries = readonly (readonly [pgno: number, offset: number, size: number])[]

const encoded = (entries: Entries) =>
  bytesOf(pageIndexOf(entries.map(([pgno, offset, size]) => ({ pgno, offset, size }))))

/**
 * The fault and its offset in the file, from both ways of reading an index, also in small pieces.
 */
function refused(bytes: Uint8Array, at: number, rules: IndexRules, message: RegExp, offset: number): void {
  const expected = (error: unknown) => {
    assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), String(error))
    assert.match(error.message, message)
    assert.equal(error.offset, offset, error.message)
    return true
  }
  assert.throws(() => decodePageIndex(bytes, 'f', at, rules), expected)
  for (const size of [1, 3, bytes.length]) {
    const places = Array.from(bytes, (_, i) => i * size)
    assert.throws(() => mapped(cut(bytes, places), at, rules), expected)
  }
}

test('the error for a damaged page index names the fault and its offset', () => {
  const rules: IndexRules = { pageSize: PAGE_SIZE, commit: 2, completeFrom: 2 }
  const good = [...encoded([[1, 100, 50], [2, 150, 60]])] // biome-ignore format: one index
  const cases: [readonly number[], RegExp, number][] = [
    [[...good, 0], /^f: the page index is shorter than its length field/, good.length],
    [good.slice(0, -1), /ends inside an entry/, good.length - 1],
    [good.slice(0, -3), /ends inside an entry/, good.length - 3],
    [[], /ends inside an entry/, 0],
    [[1, 100, ...Array(8).fill(0xff), 1], /a number in the page index is too large/, 10],
    [[0xff, 0xff, 0xff, 0xff, 0x7f, 100, 1, 0], /page 34359738367 follows page 0/, 0],
  ]
  for (const [bytes, message, offset] of cases) refused(Uint8Array.from(bytes), 216, rules, message, 216 + offset)
})

test('the error for a page index that contradicts the file header or the page block names the index entry', () => {
  const rules: IndexRules = { pageSize: PAGE_SIZE, commit: 9, completeFrom: 9 }
  const at = 216
  const cases: [string, Entries, RegExp, number][] = [
    ['no entries', [], /ends before 100, but the page block ends at 210/, 1],
    ['the last entry is missing', [[1, 100, 50]], /ends before 150, but the page block ends at 210/, 4],
    ['the first entry is missing', [[2, 150, 60]], /60 bytes at 150, but the frame before it ends at 100/, 0],
    ['a page twice', [[1, 100, 50], [1, 150, 60]], /page 1 follows page 1/, 3],
    ['pages out of order', [[2, 100, 50], [1, 150, 60]], /page 1 follows page 2/, 3],
    ['frames overlap', [[1, 100, 50], [2, 149, 61]], /61 bytes at 149, but the frame before it ends at 150/, 3],
    ['a hole between frames', [[1, 100, 49], [2, 150, 60]], /60 bytes at 150, but the frame before it ends at 149/, 3],
    ['frames change places', [[1, 160, 50], [2, 100, 60]], /50 bytes at 160, but the frame before it ends at 100/, 0],
    ['a frame inside the header', [[1, 99, 50]], /50 bytes at 99, but the frame before it ends at 100/, 0],
    ['a frame over the end marker', [[1, 100, 116]], /116 bytes at 100, outside the page block/, 0],
    ['a frame behind the file', [[1, 2 ** 40, 50]], /50 bytes at 1099511627776, outside the page block/, 0],
    ['a frame of no bytes', [[1, 100, 0]], /0 bytes at 100, which is impossible with pages of 512 bytes/, 0],
    ['a frame without a payload', [[1, 100, 10]], /10 bytes at 100, which is impossible with pages of 512 bytes/, 0],
    ['a page beyond the database', [[1, 100, 50], [10, 150, 60]], /a page beyond the database of 9 pages.*page 10/, 3],
  ] // biome-ignore format: a table
  for (const [, entries, message, offset] of cases) refused(encoded(entries), at, rules, message, at + offset)
  refused(encoded([[1, 100, 700]]), 806, rules, /700 bytes at 100, which is impossible with pages of 512/, 806)
  const lock = 2 ** 30 / 65536 + 1
  const large: IndexRules = { pageSize: 65536, commit: lock + 1, completeFrom: lock + 1 }
  refused(encoded([[lock, 100, 50]]), 156, large, /has the lock page/, 156)
})

test('a page index is refused if it omits a page that no earlier file can have', () => {
  const lock = 2 ** 30 / 65536 + 1
  const sized = (pgnos: readonly number[]) => encoded(pgnos.map((pgno, i) => [pgno, HEADER_SIZE + i * 20, 20] as const))
  const at = (pgnos: readonly number[]) => HEADER_SIZE + pgnos.length * 20 + PAGE_HEADER_SIZE
  const cases: [IndexRules, readonly number[], missing?: number][] = [
    [{ pageSize: 512, commit: 4, completeFrom: 0 }, [1, 2, 3, 4]],
    [{ pageSize: 512, commit: 4, completeFrom: 0 }, [1, 2, 4], 3],
    [{ pageSize: 512, commit: 4, completeFrom: 0 }, [1, 2, 3], 4],
    [{ pageSize: 512, commit: 4, completeFrom: 0 }, [2, 3, 4], 1],
    [{ pageSize: 512, commit: 0xfffffffe, completeFrom: 0 }, [1], 2],
    [{ pageSize: 512, commit: 9, completeFrom: 7 }, [2, 8, 9]],
    [{ pageSize: 512, commit: 9, completeFrom: 7 }, [2, 9], 8],
    [{ pageSize: 512, commit: 9, completeFrom: 7 }, [2, 8], 9],
    [{ pageSize: 512, commit: 9, completeFrom: 7 }, [], 8],
    [{ pageSize: 512, commit: 9, completeFrom: 12 }, [3]],
    [{ pageSize: 65536, commit: lock + 1, completeFrom: lock - 2 }, [lock - 1, lock + 1]],
    [{ pageSize: 65536, commit: lock + 1, completeFrom: lock - 1 }, [lock + 1]],
    [{ pageSize: 65536, commit: lock, completeFrom: lock - 1 }, [5]],
    [{ pageSize: 65536, commit: lock + 2, completeFrom: lock }, [lock + 2], lock + 1],
  ]
  for (const [rules, pgnos, missing] of cases) {
    const read = () => decodePageIndex(sized(pgnos), 'f', at(pgnos), rules)
    if (missing === undefined) assert.deepEqual([...read().pgnos], pgnos)
    else assert.throws(read, new RegExp(`page ${missing} is missing: the database has ${rules.commit} pages`))
  }
})

test('a page index accepts the largest frame length that LZ4 can give a page', () => {
  const size = maxFrameSize(65536)
  const bytes = encoded([[1, 100, size]])
  const rules: IndexRules = { pageSize: 65536, commit: 1, completeFrom: 0 }
  assert.deepEqual(mapped([bytes], 106 + size, rules).place(1), { offset: 100, size, file: 5 })
})

test('an error thrown while a chunk of the page map is requested is passed on to the caller', () => {
  const { index, at } = indexOf([{ pgno: 1, size: 20 }])
  const reader = new PageIndexReader('f', at, rulesOf(index))
  const own = () => {
    throw new Error('no room')
  }
  assert.throws(() => reader.map(bytesOf(index), { file: 1, own }, new Float64Array(0), true), /no room/)
})
