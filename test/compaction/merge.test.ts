import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergeLtx } from '../../src/compaction/merge.js'
import { decodeLtx } from '../../src/ltx/decoder.js'
import type { LtxHeaderInit } from '../../src/ltx/encoder.js'
import { makeLtx, makePage, makeSnapshot, pieces } from '../ltx/make.js'

type Input = { readonly init: LtxHeaderInit; readonly pages: Map<number, Uint8Array> }

async function pagesOf(file: Uint8Array) {
  const ltx = await decodeLtx(pieces(file), 'merged')
  const pages = new Map<number, Uint8Array>()
  for await (const { count, pgnos, pages: bytes } of ltx.batches) {
    for (let i = 0; i < count; i++)
      pages.set(pgnos[i]!, bytes.slice(i * ltx.header.pageSize, (i + 1) * ltx.header.pageSize))
  }
  return { header: ltx.header, pages }
}

async function mergeAll(files: readonly Uint8Array[], cuts: readonly number[] = []): Promise<Buffer> {
  const { bytes } = await mergeLtx(files.map((file, i) => ({ label: `input ${i}`, bytes: pieces(file, cuts) })))
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part.slice())
  return Buffer.concat(parts)
}

test('a merged file has the newest version of every page, for any input files and any chunk sizes', async () => {
  const input = fc.record({
    pgnos: fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }),
    commit: fc.integer({ min: 1, max: 40 }),
    seed: fc.nat(1000),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(512, 4096, 65536),
      fc.array(input, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(30_000), { maxLength: 10 }),
      async (pageSize, specs, cuts) => {
        const inputs: Input[] = specs.map(({ pgnos, commit, seed }, i) => ({
          init: { pageSize, commit, minTxid: 5 + i, maxTxid: 5 + i, timestamp: 1000 + i },
          pages: new Map(pgnos.filter((p) => p <= commit).map((p) => [p, makePage(pageSize, seed + p)])),
        }))
        const merged = await pagesOf(
          await mergeAll(
            inputs.map(({ init, pages }) => makeLtx(init, pages)),
            cuts,
          ),
        )
        const expected = new Map(inputs.flatMap(({ pages }) => [...pages]))
        const { commit } = specs.at(-1)!
        for (const pgno of expected.keys()) if (pgno > commit) expected.delete(pgno)
        assert.deepEqual(merged.pages, new Map([...expected].sort(([a], [b]) => a - b)))
        const { header } = merged
        assert.deepEqual(
          [header.minTxid, header.maxTxid, header.commit, header.timestamp],
          [5, 4 + specs.length, commit, 999 + specs.length],
        )
      },
    ),
    { numRuns: 150 },
  )
})

test('a merge of a single input file copies the file byte for byte', async () => {
  const file = makeSnapshot(4096, 50)
  assert.equal(Buffer.compare(await mergeAll([file], [100, 777, 5000]), file), 0)
})

test('a merge writes adjacent frames of one input file without a copy, even if frames of other input files precede and follow them', async () => {
  const snapshot = makeSnapshot(4096, 400)
  const small = makeLtx(
    { pageSize: 4096, commit: 400, minTxid: 2, maxTxid: 2 },
    new Map([3, 5, 200, 201].map((pgno) => [pgno, makePage(4096, 9000 + pgno)])),
  )
  const whole = async function* (file: Uint8Array) {
    yield file
  }
  const { bytes } = await mergeLtx([
    { label: 'snapshot', bytes: whole(snapshot) },
    { label: 'small', bytes: whole(small) },
  ])
  const parts: Uint8Array[] = []
  let passed = 0
  for await (const part of bytes) {
    if (part.buffer === snapshot.buffer) passed += part.length
    parts.push(part.slice())
  }
  assert.ok(passed > 0.9 * snapshot.length, `${passed} of ${snapshot.length}`)
  const cut = Array.from({ length: 400 }, (_, i) => 3000 * i)
  assert.equal(Buffer.compare(Buffer.concat(parts), await mergeAll([snapshot, small], cut)), 0)
})

test('a merged snapshot of a database that grew, shrank and grew again has every page', async () => {
  const step = (txid: number, commit: number, pgnos: number[]) =>
    makeLtx(
      { pageSize: 512, commit, minTxid: txid, maxTxid: txid },
      new Map(pgnos.map((p) => [p, makePage(512, txid * 100 + p)])),
    )
  // TXID 2 truncated page 4, which was never written again: its content does not matter to SQLite,
  // but the page must exist.
  const merged = await pagesOf(await mergeAll([makeSnapshot(512, 4), step(2, 2, [1]), step(3, 5, [3, 5])]))
  assert.deepEqual([...merged.pages.keys()], [1, 2, 3, 4, 5])
  assert.deepEqual(merged.pages.get(1), makePage(512, 201))
  // A page that was never truncated must be in some file.
  await assert.rejects(mergeAll([makeSnapshot(512, 3), step(2, 5, [5])]), { code: 'LTX_CORRUPT', pgno: 4 })
})

test('if any input file is damaged, a merge fails before the output file is complete', async () => {
  const files = [
    makeSnapshot(512, 3),
    makeLtx({ pageSize: 512, commit: 3, minTxid: 2, maxTxid: 2 }, new Map([[2, makePage(512, 9)]])),
  ]
  const good = await mergeAll(files)
  for (const [which, file] of files.entries()) {
    for (let i = 0; i < file.length; i++) {
      const bad = Buffer.from(file)
      bad[i]! ^= 0x20
      const inputs = files.map((f, j) => (j === which ? bad : f))
      let output: Buffer | undefined
      try {
        output = await mergeAll(inputs)
      } catch (error) {
        assert.match(
          (error as { code: string }).code,
          /LTX_CORRUPT|LTX_GAP|PAGE_SIZE_MISMATCH/,
          `input ${which}, byte ${i}`,
        )
      }
      // Harmless bits of a payload: the same pages.
      if (output) assert.deepEqual((await pagesOf(output)).pages, (await pagesOf(good)).pages)
    }
    for (let length = 0; length < file.length; length += 7) {
      const inputs = files.map((f, j) => (j === which ? file.subarray(0, length) : f))
      await assert.rejects(mergeAll(inputs), { code: 'LTX_CORRUPT' }, `input ${which} cut at ${length}`)
    }
  }
})

test('a merge refuses input files that are not contiguous or have different page sizes', async () => {
  const file = (minTxid: number, maxTxid: number, pageSize = 512) =>
    makeLtx({ pageSize, commit: 3, minTxid, maxTxid }, new Map())
  await assert.rejects(mergeAll([file(2, 3), file(5, 5)]), { code: 'LTX_GAP', file: 'input 1' })
  await assert.rejects(mergeAll([file(2, 5), file(3, 4)]), { code: 'LTX_GAP' })
  await assert.rejects(mergeAll([file(2, 3), file(4, 4, 1024)]), { code: 'PAGE_SIZE_MISMATCH' })
  assert.equal((await pagesOf(await mergeAll([file(2, 5), file(4, 6)]))).header.maxTxid, 6)
})
