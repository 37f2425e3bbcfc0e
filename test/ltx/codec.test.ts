import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeLtx } from '../../src/ltx/decoder.js'
import { LtxEncoder } from '../../src/ltx/encoder.js'
import { CHECKSUM_FLAG, lockPgno } from '../../src/ltx/format.js'
import { inspectLtx } from '../../src/ltx/inspect.js'
import { verifyLtx } from '../../src/ltx/verify.js'
import { native } from '../../src/native/addon.js'
import { makeLtx, makePage, makeSnapshot, pieces } from './make.js'

const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]

async function readAll(file: Uint8Array, cuts: readonly number[] = [], batchBytes?: number) {
  const ltx = await decodeLtx(pieces(file, cuts), 'a.ltx', batchBytes === undefined ? {} : { batchBytes })
  const pages = new Map<number, Uint8Array>()
  for await (const batch of ltx.batches) {
    for (let i = 0; i < batch.count; i++) {
      pages.set(batch.pgnos[i]!, batch.pages.slice(i * ltx.header.pageSize, (i + 1) * ltx.header.pageSize))
    }
  }
  return { header: ltx.header, trailer: ltx.trailer!, pages }
}

test('CRC-64/GO-ISO has the published check value, and its two implementations give equal results', () => {
  const check = Buffer.from('123456789')
  assert.equal(native.crc64(0n, check), 0xb90956c775a41001n)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 5000 }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.nat(5000),
      (data, crc, cut) => {
        const whole = native.crc64(crc, data)
        assert.equal(whole, native.crc64(crc, data, true))
        assert.equal(native.crc64(native.crc64(crc, data.subarray(0, cut)), data.subarray(cut)), whole)
      },
    ),
    { numRuns: 300 },
  )
})

test('encoding and decoding return random page sets unchanged, for any page size, batch size and chunk size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...PAGE_SIZES),
      fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }),
      fc.array(fc.nat(200_000), { maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(10_000),
      async (pageSize, pgnos, cuts, batch, seed) => {
        const pages = new Map(pgnos.map((pgno) => [pgno, makePage(pageSize, seed + pgno)]))
        const init = { pageSize, commit: 60, minTxid: 2, maxTxid: 7, timestamp: 1_700_000_000_123 }
        const file = makeLtx(init, pages, batch)
        const back = await readAll(file, cuts, batch * pageSize)
        assert.deepEqual(
          [...back.pages.keys()],
          [...pgnos].sort((a, b) => a - b),
        )
        for (const [pgno, page] of pages) assert.equal(Buffer.compare(back.pages.get(pgno)!, page), 0)
        const { commit, minTxid, maxTxid, timestamp } = back.header
        assert.deepEqual([commit, minTxid, maxTxid, timestamp], [60, 2, 7, 1_700_000_000_123])
      },
    ),
    { numRuns: 120 },
  )
})

test('encoding and decoding return a page unchanged if the page is all zeros or LZ4 cannot compress the page', async () => {
  for (const pageSize of PAGE_SIZES) {
    const noise = crypto.getRandomValues(new Uint8Array(pageSize))
    const pages = new Map([
      [1, noise],
      [2, new Uint8Array(pageSize)],
      [3, noise],
    ])
    const back = await readAll(makeLtx({ pageSize, commit: 3, minTxid: 1, maxTxid: 1 }, pages))
    assert.deepEqual(back.pages, pages)
  }
})

test('if several threads encode batches of pages concurrently, the file equals the file that one thread encodes', async () => {
  for (const pageSize of PAGE_SIZES) {
    const pages = new Map(Array.from({ length: 50 }, (_, i) => [1 + 3 * i, makePage(pageSize, i)]))
    const init = { pageSize, commit: 200, minTxid: 2, maxTxid: 2, timestamp: 1_700_000_000_000 }
    const encoder = new LtxEncoder(init)
    const parts = [encoder.start()]
    const batches = []
    for (let i = 0; i < 50; i += 7) {
      const part = [...pages].slice(i, i + 7)
      const content = Buffer.concat(part.map(([, page]) => page))
      batches.push(encoder.pagesLater(Uint32Array.from(part.map(([pgno]) => pgno)), content))
    }
    for (const frames of batches) parts.push(await frames())
    parts.push(encoder.finish())
    assert.deepEqual(Buffer.concat(parts), makeLtx(init, pages, 7))
  }
})

test('a file without pages, and a file of a database with one page, can be decoded, even byte by byte', async () => {
  const empty = makeLtx({ pageSize: 4096, commit: 9, minTxid: 5, maxTxid: 5 }, new Map())
  assert.equal(empty.length, 131)
  assert.equal((await readAll(empty)).pages.size, 0)
  const one = makeSnapshot(512, 1)
  const everywhere = Array.from({ length: one.length }, (_, i) => i)
  assert.equal((await readAll(one, everywhere)).pages.size, 1)
})

test('the encoder never stores the lock page, and a snapshot skips the lock page', async () => {
  const pageSize = 65536
  const lock = lockPgno(pageSize)
  assert.equal(lock, 16385)
  const encoder = new LtxEncoder({ pageSize, commit: lock + 1, minTxid: 9, maxTxid: 9 })
  encoder.start()
  assert.throws(() => encoder.pages(Uint32Array.of(lock), new Uint8Array(pageSize)), { code: 'INVALID_ARGUMENT' })

  for (const commit of [lock - 1, lock, lock + 1]) {
    const zeros = new Uint8Array(pageSize * 64)
    const snapshot = new LtxEncoder({ pageSize, commit, minTxid: 1, maxTxid: 3 })
    const parts = [snapshot.start()]
    for (let from = 1; from <= commit; from += 64) {
      const pgnos = Array.from({ length: 64 }, (_, i) => from + i).filter((pgno) => pgno <= commit && pgno !== lock)
      parts.push(snapshot.pages(Uint32Array.from(pgnos), zeros.subarray(0, pgnos.length * pageSize)))
    }
    parts.push(snapshot.finish())
    const summary = await verifyLtx(pieces(Buffer.concat(parts)), 'a.ltx')
    assert.equal(summary.pageCount, commit < lock ? commit : commit - 1)
  }
})

test('the encoder refuses input that would result in an invalid LTX file', () => {
  const page = new Uint8Array(512)
  const begin = (init = {}) => {
    const encoder = new LtxEncoder({ pageSize: 512, commit: 3, minTxid: 2, maxTxid: 2, ...init })
    encoder.start()
    return encoder
  }
  const refused = { code: 'INVALID_ARGUMENT' }
  assert.throws(() => begin().pages(Uint32Array.of(2, 1), new Uint8Array(1024)), refused)
  assert.throws(() => begin().pages(Uint32Array.of(4), page), refused)
  assert.throws(() => begin().pages(Uint32Array.of(0), page), refused)
  assert.throws(() => begin().pages(Uint32Array.of(1), new Uint8Array(511)), refused)
  assert.throws(() => begin({ minTxid: 1 }).pages(Uint32Array.of(2), page), refused)
  assert.throws(() => begin({ minTxid: 1 }).finish(), refused)
  assert.throws(() => begin({ pageSize: 1000 }), refused)
  assert.throws(() => begin({ minTxid: 3 }), refused)
  assert.throws(() => begin({ commit: 0 }), refused)
  assert.throws(() => begin().finish(CHECKSUM_FLAG), refused)
})

test('the decoder compares the database checksum of a snapshot with the snapshot’s pages', async () => {
  const pages = new Map([1, 2].map((pgno) => [pgno, makePage(512, pgno)]))
  const sum = native.sumPages(512, Uint32Array.of(1, 2), Buffer.concat([...pages.values()])) | CHECKSUM_FLAG
  const init = { pageSize: 512, commit: 2, minTxid: 1, maxTxid: 1, flags: 0 }
  assert.equal((await readAll(makeLtx(init, pages, 1, sum))).trailer.postApplyChecksum, sum)
  await assert.rejects(readAll(makeLtx(init, pages, 1, sum ^ 1n)), { code: 'LTX_CORRUPT' })
})

test('inspect and verify return the same summary of an LTX file, even if the page index is large', async () => {
  const pages = new Map(Array.from({ length: 9000 }, (_, i) => [i + 1, makePage(512, i)]))
  for (const file of [makeSnapshot(512, 3), makeLtx({ pageSize: 512, commit: 9000, minTxid: 2, maxTxid: 2 }, pages)]) {
    const reads: number[] = []
    const read = async (offset: number, length: number) => {
      reads.push(length)
      return file.subarray(offset, offset + length)
    }
    assert.deepEqual(await inspectLtx(read, file.length, 'a.ltx'), await verifyLtx(pieces(file), 'a.ltx'))
    assert.equal(reads.length, file.length > 100_000 ? 3 : 2)
  }
})
