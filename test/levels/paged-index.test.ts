import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { IndexBlockCache } from '../../src/levels/index-block-cache.js'
import { PagedIndex } from '../../src/levels/paged-index.js'
import type { FileReader } from '../../src/levels/remote-index.js'
import { HEADER_SIZE, lockPgno, PAGE_HEADER_SIZE } from '../../src/ltx/format.js'
import type { LtxHeader } from '../../src/ltx/header.js'
import { encodePageIndex, type PageIndex } from '../../src/ltx/page-index.js'
import { Random } from '../support/random.js'

const BLOCK = 1024

interface Snapshot {
  readonly index: PageIndex
  readonly header: LtxHeader
  readonly offset: number
  /** The encoded page index without its length field. */
  readonly bytes: Uint8Array
}

/** A page index without its file: `size` returns the frame size of each page. */
function snapshot(commit: number, pageSize: number, size: (pgno: number) => number): Snapshot {
  const pgnos = Uint32Array.from({ length: commit }, (_, i) => i + 1).filter((pgno) => pgno !== lockPgno(pageSize))
  const sizes = pgnos.map(size)
  const offsets = new Float64Array(pgnos.length)
  let offset = HEADER_SIZE
  sizes.forEach((each, i) => {
    offsets[i] = offset
    offset += each
  })
  const index = { count: pgnos.length, pgnos, offsets, sizes }
  const header = { pageSize, commit, minTxid: 1, maxTxid: 1 } as LtxHeader
  return { index, header, offset: offset + PAGE_HEADER_SIZE, bytes: encodePageIndex(index).slice(0, -8) }
}

class Reads implements FileReader {
  readonly url = 'test:'
  readonly ranges: { readonly offset: number; readonly length: number; readonly fresh: boolean }[] = []
  /** Changes a response. */
  damage: (data: Uint8Array, fresh: boolean, offset: number) => void = () => undefined

  constructor(readonly snapshot: Snapshot) {}

  get size(): number {
    return this.snapshot.offset + this.snapshot.bytes.length + 24
  }

  async read(...[, range, options]: Parameters<FileReader['read']>) {
    const { offset, length = 0 } = range as { offset: number; length?: number }
    const fresh = options?.fresh === true
    this.ranges.push({ offset, length, fresh })
    await new Promise((resolve) => setImmediate(resolve))
    const at = offset - this.snapshot.offset
    assert.ok(at >= 0 && at + length <= this.snapshot.bytes.length)
    const data = this.snapshot.bytes.slice(at, at + length)
    this.damage(data, fresh, at)
    return { data, offset, fileSize: this.size }
  }
}

function open(source: Snapshot, { memory = 2 ** 20, tail = 512 }: { memory?: number; tail?: number } = {}) {
  const reads = new Reads(source)
  const cache = new IndexBlockCache(memory)
  const { header, offset, bytes } = source
  const info = { level: 9, minTxid: 1, maxTxid: 1, size: reads.size, createdAt: 0 }
  const unread = { info, label: 'snapshot', header, offset, size: bytes.length, tail: bytes.slice(-tail) }
  return { reads, cache, paged: new PagedIndex(reads, unread, cache, {}, BLOCK) }
}

/** Compares the positions of some pages with the whole page index. */
async function compare(paged: PagedIndex, { index, header }: Snapshot, pgnos: readonly number[]): Promise<void> {
  const lock = lockPgno(header.pageSize)
  const positions = await paged.positions(pgnos)
  pgnos.forEach((pgno, i) => {
    const at = pgno > lock ? pgno - 2 : pgno - 1
    assert.deepEqual(positions[i], { offset: index.offsets[at], size: index.sizes[at] }, `page ${pgno}`)
  })
}

const SHAPES: readonly (readonly [string, number, number, (random: Random) => (pgno: number) => number])[] = [
  ['frames of one size', 30_000, 4096, () => () => 2000],
  ['frames of random sizes', 30_000, 4096, (random) => () => 11 + random.integer(0, 4000 - 1)],
  ['a full beginning and an empty rest', 40_000, 4096, () => (pgno) => (pgno < 3000 ? 3000 : 40)],
  ['alternating full and empty parts', 40_000, 4096, () => (pgno) => ((pgno >> 9) & 1 ? 4000 : 36)],
  ['the lock page', 40_000, 65536, (random) => () => 11 + random.integer(0, 60_000 - 1)],
  ['the lock page as the last page', 16_385, 65536, () => () => 65_800],
  ['fewer entries than one block has', 40, 512, () => () => 100],
]

for (const [what, commit, pageSize, sizes] of SHAPES) {
  test(`a page index that is read in blocks gives the same page positions as the whole page index: ${what}`, async () => {
    const random = new Random(7)
    const source = snapshot(commit, pageSize, sizes(random))
    const { paged, reads } = open(source)
    const lock = lockPgno(pageSize)
    const some = () =>
      Array.from({ length: 20 }, () => 1 + random.integer(0, commit - 1)).filter((pgno) => pgno !== lock)
    for (let round = 0; round < 30; round++) await compare(paged, source, some())
    const known = reads.ranges.length
    await compare(paged, source, [...source.index.pgnos])
    await compare(paged, source, [...source.index.pgnos].reverse())
    const blocks = Math.ceil(source.bytes.length / BLOCK)
    assert.ok(known <= blocks, `${known} reads of ${blocks} blocks`)
  })
}

test('in a snapshot with evenly sized frames, a search finds the position of a page with one read', async () => {
  const source = snapshot(200_000, 4096, (pgno) => 1900 + (pgno % 200))
  for (const pgno of [2, 777, 50_000, 131_313, 190_000]) {
    const { paged, reads } = open(source)
    await compare(paged, source, [pgno])
    assert.equal(reads.ranges.length, 1, `page ${pgno}`)
  }
})

test('in any snapshot, a search for a page reads a bounded number of page index blocks one after another', async () => {
  const source = snapshot(200_000, 4096, (pgno) => (pgno < 100_000 ? 60 : pgno < 101_000 ? 4000 : 100))
  for (const pgno of [99_999, 100_500, 101_001, 150_000]) {
    const { paged, reads } = open(source)
    await compare(paged, source, [pgno])
    assert.ok(reads.ranges.length <= 12, `page ${pgno}: ${reads.ranges.length} reads`)
    const [bytes] = [reads.ranges.reduce((sum, { length }) => sum + length, 0)]
    assert.ok(bytes <= 20 * BLOCK, `page ${pgno}: ${bytes} bytes`)
  }
})

test('blocks of a page index are evicted at the limit of the cache, and an evicted block is loaded again with one read', async () => {
  const source = snapshot(50_000, 4096, () => 2000)
  const { paged, reads, cache } = open(source, { memory: 4000 })
  await compare(paged, source, [...source.index.pgnos])
  assert.ok(cache.size <= 4000)
  assert.equal(paged.find(100), undefined)
  reads.ranges.length = 0
  await compare(paged, source, [100, 101])
  assert.equal(reads.ranges.length, 1)
  assert.deepEqual(paged.find(100), { offset: source.index.offsets[99], size: 2000 })
})

test('concurrent searches in a page index share the reads of blocks', async () => {
  const source = snapshot(50_000, 4096, () => 2000)
  const { paged, reads } = open(source)
  await Promise.all(Array.from({ length: 8 }, (_, i) => compare(paged, source, [20_000 + i])))
  assert.ok(reads.ranges.length <= 2, `${reads.ranges.length} reads`)
})

test('if a response with a block of a page index is damaged, the block is read once more without caches', async () => {
  const source = snapshot(50_000, 4096, () => 2000)
  const { paged, reads } = open(source)
  reads.damage = (data, fresh) => {
    if (!fresh) data[500]! ^= 0x55
  }
  await compare(paged, source, [20_000])
  assert.deepEqual(
    reads.ranges.map(({ fresh }) => fresh),
    [false, true],
  )
})

test('if a block of a page index is damaged in the store, a search throws LTX_CORRUPT and other blocks stay readable', async () => {
  const source = snapshot(50_000, 4096, () => 2000)
  const { paged, reads, cache } = open(source)
  await compare(paged, source, [20_000])
  const bad = Math.floor((reads.ranges.at(-1)!.offset - source.offset) / BLOCK)
  reads.damage = (data, _, at) => {
    for (let i = 0; i < data.length; i++) if (at + i === bad * BLOCK + 500) data[i]! ^= 0x01
  }
  cache.clear()
  await assert.rejects(paged.positions([20_000]), (error) => {
    assert.ok(isLitestreamError(error, 'LTX_CORRUPT'))
    assert.match(error.message, new RegExp(`^snapshot: the page index .* \\(offset ${source.offset + bad * BLOCK}\\)`))
    return true
  })
  await compare(paged, source, [10_000, 40_000])
})

test('a changed byte in a block of a page index is detected, or does not change the position of a page', async () => {
  const source = snapshot(3000, 4096, (pgno) => 1000 + ((pgno * 37) % 3000))
  const [changed] = [2 * BLOCK]
  for (let at = changed; at < changed + BLOCK; at += 3) {
    const { paged, reads } = open(source)
    reads.damage = (data, _, from) => {
      if (at >= from && at < from + data.length) data[at - from]! ^= 1 << (at % 8)
    }
    for (const pgno of [200, 300, 400]) {
      await compare(paged, source, [pgno]).catch((error) => assert.ok(isLitestreamError(error, 'LTX_CORRUPT'), error))
    }
  }
})

test('if the end of a page index contradicts the file header, the error is LTX_CORRUPT', () => {
  const source = snapshot(50_000, 4096, () => 2000)
  const longer = { ...source, header: { ...source.header, commit: 50_001 } }
  assert.throws(() => open(longer, { tail: 4096 }), { code: 'LTX_CORRUPT' })
  const shifted = { ...source, offset: source.offset + 1 }
  assert.throws(() => open(shifted, { tail: 4096 }), { code: 'LTX_CORRUPT' })
})
