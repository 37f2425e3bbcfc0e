import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLitestreamError } from '../../src/errors.js'
import { decodePageIndex, encodePageIndex, type PageIndex, PageIndexReader } from '../../src/ltx/page-index.js'
import { pageIndexOf } from '../support/page-index.js'

/** Pages of one chunk of a page map. */
const CHUNK_PAGES = 1024
const HEADER = 100

/** An index whose frames have the given distances: from the page and from the end of the frame before, and a size. */
function indexOf(steps: readonly { pgno: number; gap: number; size: number }[]): { index: PageIndex; end: number } {
  let [pgno, end] = [0, HEADER]
  const entries = steps.map((step) => {
    pgno += step.pgno
    const entry = { pgno, offset: end + step.gap, size: step.size }
    end = entry.offset + entry.size
    return entry
  })
  return { index: pageIndexOf(entries), end }
}

const anIndex = fc
  .array(
    fc.record({
      pgno: fc.integer({ min: 1, max: 900 }),
      gap: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 2 ** 31, max: 2 ** 40 })),
      size: fc.integer({ min: 1, max: 2 ** 17 }),
    }),
    { maxLength: 40 },
  )
  .map(indexOf)

/** The bytes in pieces, cut at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1))), 0, bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

/** Enters an index into chunks of its own. */
function mapped(file: string, fileOffset: number, pieces: readonly Uint8Array[], here: readonly number[] = []) {
  const chunks = new Map<number, ArrayBuffer>()
  const own = (chunk: number) => {
    const buffer = chunks.get(chunk) ?? new ArrayBuffer(CHUNK_PAGES * 12)
    chunks.set(chunk, buffer)
    return buffer
  }
  const reader = new PageIndexReader(file, fileOffset)
  const target = { file: 5, commit: 20_000, own }
  const parts = pieces.map((piece) => reader.map(piece, target, Float64Array.from(here), true))
  reader.end()
  const pgnos = parts.flatMap((part) => [...part.pgnos])
  const came = parts.flatMap((part) => [...part.came])
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
  return { pgnos, came, place, count: reader.count, chunks: chunks.size }
}

test('an index comes back as it was written, in pieces of any size, as arrays and in a page map', () => {
  fc.assert(
    fc.property(anIndex, fc.array(fc.nat(), { maxLength: 6 }), ({ index, end }, places) => {
      const bytes = encodePageIndex(index).subarray(0, -8)
      assert.deepEqual(decodePageIndex(bytes, 'f', end), index)
      const map = mapped('f', end, cut(bytes, places))
      assert.deepEqual(map.pgnos, [...index.pgnos])
      assert.equal(map.count, index.count)
      for (let i = 0; i < index.count; i++) {
        const [pgno, offset, size] = [index.pgnos[i]!, index.offsets[i]!, index.sizes[i]!]
        assert.deepEqual(map.place(pgno), pgno > 20_000 ? { offset: 0, size: 0, file: 0 } : { offset, size, file: 5 })
      }
    }),
  )
})

test('frames that came along are told apart, and a chunk is asked for once', () => {
  const steps = Array.from({ length: 3000 }, () => ({ pgno: 1, gap: 0, size: 10 }))
  const { index, end } = indexOf(steps)
  const bytes = encodePageIndex(index).subarray(0, -8)
  const map = mapped('f', end, [bytes], [0, 130, end - 25, end])
  assert.deepEqual(map.came, [1, 100, 10, 2, 110, 10, 3, 120, 10, 2999, end - 20, 10, 3000, end - 10, 10])
  assert.equal(map.chunks, 3)
})

test('an index that cannot be says what is wrong and where', () => {
  const { index, end } = indexOf([
    { pgno: 1, gap: 0, size: 50 },
    { pgno: 1, gap: 0, size: 60 },
  ])
  const good = [...encodePageIndex(index).subarray(0, -8)]
  const cases: [readonly number[], number, RegExp, number][] = [
    [[...good, 0], end, /^f: the page index ends before its length/, end + good.length],
    [good.slice(0, -1), end, /ends inside an entry/, end + good.length - 1],
    [good.slice(0, -3), end, /ends inside an entry/, end + good.length - 3],
    [[], end, /ends inside an entry/, end],
    [[1, 100, 50, 1, 150, 1, 60, 0], end, /page 1 follows page 1 in the page index/, end + 3],
    [[1, 100, 50, 2, 149, 1, 60, 0], end, /a frame of 60 bytes at 149, outside the page block/, end + 3],
    [[1, 99, 50, 0], end, /a frame of 50 bytes at 99, outside/, end],
    [[1, 100, 0, 0], end, /a frame of 0 bytes at 100, outside/, end],
    [good, end - 1, /a frame of 60 bytes at 150, outside/, end - 1 + 3],
    [[1, 100, ...Array(8).fill(0xff), 1], end, /a number in the page index is too large/, end + 10],
    [[0xff, 0xff, 0xff, 0xff, 0x7f, 100, 1, 0], end, /page 34359738367 follows page 0/, end],
  ]
  for (const [bytes, fileOffset, message, offset] of cases) {
    const expected = (error: unknown) => {
      assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), String(error))
      assert.match(error.message, message)
      assert.equal(error.offset, offset, error.message)
      return true
    }
    assert.throws(() => decodePageIndex(Uint8Array.from(bytes), 'f', fileOffset), expected)
    for (const size of [1, 3]) {
      const pieces = cut(
        Uint8Array.from(bytes),
        bytes.map((_, i) => i * size),
      )
      assert.throws(() => mapped('f', fileOffset, pieces), expected)
    }
  }
})

test('a frame that a page map cannot point to is refused, one of the largest page is not', () => {
  for (const [offset, size, good] of [
    [2 ** 46 - 1, 2 ** 18 - 1, true],
    [2 ** 46, 100, false],
    [200, 2 ** 18, false],
  ] as const) {
    const one = { count: 1, pgnos: Uint32Array.of(7), offsets: Float64Array.of(offset), sizes: Uint32Array.of(size) }
    const bytes = encodePageIndex(one).subarray(0, -8)
    const map = () => mapped('f', 2 ** 50, [bytes])
    if (good) assert.deepEqual(map().place(7), { offset, size, file: 5 })
    else assert.throws(map, new RegExp(`impossible frame of ${size} bytes at ${offset}`))
  }
})

test('what asking for a chunk throws is thrown', () => {
  const { index, end } = indexOf([{ pgno: 1, gap: 0, size: 5 }])
  const reader = new PageIndexReader('f', end)
  const own = () => {
    throw new Error('no room')
  }
  const bytes = encodePageIndex(index).subarray(0, -8)
  assert.throws(() => reader.map(bytes, { file: 1, commit: 10, own }, new Float64Array(0), true), /no room/)
})
