import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHUNK_PAGES } from '../../../../src/replica/worker/chain/map-chunk.js'
import { movedMap } from '../../../../src/replica/worker/chain/moved-map.js'
import { includesPage, mergePages } from '../../../../src/replica/worker/chain/page-lists.js'
import type { PageMap } from '../../../../src/replica/worker/chain/page-map.js'
import { PageMapBuilder } from '../../../../src/replica/worker/chain/page-map-builder.js'
import { PageSet } from '../../../../src/replica/worker/chain/page-set.js'
import { lackingFiles } from '../../../../src/replica/worker/hydration/fill-plan.js'
import type { Frame } from '../../../support/page-index.js'
import { mapOf } from '../../../support/page-map.js'

/** Enters the frames of a file that has these pages. */
function enter(builder: PageMapBuilder, file: number, commit: number, frames: readonly Frame[]): void {
  builder.resize(commit)
  const target = builder.target(file, commit)
  for (const { pgno, ...place } of frames) {
    if (pgno > commit) continue
    assert.equal(target.own(Math.floor((pgno - 1) / CHUNK_PAGES)).byteLength, CHUNK_PAGES * 12)
    builder.put(pgno, { file, ...place })
  }
}

const frameOf = (pgno: number): Frame => ({ pgno, offset: pgno * 4000, size: (pgno % 4000) + 1 })

test('a page map has the position of each page in the newest file with the page, and older page maps stay unchanged', () => {
  const step = fc.record({
    commit: fc.integer({ min: 1, max: 3000 }),
    pgnos: fc.uniqueArray(fc.integer({ min: 1, max: 3500 }), { maxLength: 60 }),
    isBuilt: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      let builder = new PageMapBuilder()
      let model = new Map<number, number>()
      const built: [PageMap, Map<number, number>][] = []
      steps.forEach(({ commit, pgnos, isBuilt }, i) => {
        const sorted = pgnos.sort((a, b) => a - b)
        enter(builder, i + 1, commit, sorted.map(frameOf))
        model = new Map([...model].filter(([pgno]) => pgno <= commit))
        for (const pgno of sorted) if (pgno <= commit) model.set(pgno, i + 1)
        if (!isBuilt && i < steps.length - 1) return
        const map = builder.build()
        built.push([map, new Map(model)])
        builder = new PageMapBuilder(map)
      })
      for (const [each, expected] of built) {
        for (let pgno = 1; pgno <= 3500; pgno++) {
          const file = expected.get(pgno) ?? 0
          assert.equal(each.fileOf(pgno), file)
          if (file) assert.deepEqual(each.find(pgno), { file, offset: pgno * 4000, size: pgno + 1 })
        }
        const files = new Set<number>()
        each.collectFiles(files)
        assert.deepEqual(files, new Set(expected.values()))
      }
    }),
    { numRuns: 60 },
  )
})

test('the cost of a new page map depends on the number of changed pages, not on the number of existing pages', () => {
  const pages = 1_000_000
  const map = mapOf(pages, (pgno) => ({ file: 1, offset: pgno * 10, size: 9 }))
  const builder = new PageMapBuilder(map)
  enter(builder, 2, pages, [3, 4, 5000, 999_999].map(frameOf))
  assert.equal(builder.ownChunks, 3)
  const next = new PageMapBuilder(builder.build())
  enter(next, 3, pages, [])
  assert.equal(next.ownChunks, 0)
  assert.ok(map.byteLength <= 16 * (pages + 1024), `${map.byteLength / pages} bytes a page`)
})

test('moved pages get the positions in their new files, and chunks that page maps share use no further memory', async () => {
  const before = mapOf(5000, (pgno) => ({ file: pgno > 4000 ? 2 : 1, offset: pgno * 10, size: 9 }))
  const current = new PageMapBuilder(before)
  enter(current, 3, 5000, [frameOf(4500)])
  const after = new PageMapBuilder(before)
  for (let pgno = 4001; pgno <= 4900; pgno++) after.put(pgno, { file: 4, offset: pgno * 20, size: 8 })
  const map = await movedMap(current.build(), before, after.build())
  assert.deepEqual(
    [4000, 4001, 4500, 4900, 4901].map((pgno) => map.fileOf(pgno)),
    [1, 4, 3, 4, 2],
  )
  assert.deepEqual(map.find(4200), { file: 4, offset: 84_000, size: 8 })
  assert.equal(map.chunk(0), before.chunk(0))
})

test('a merge of page lists has no repeated pages, for few and for many pages', () => {
  const pages = fc.uniqueArray(fc.integer({ min: 1, max: 3000 }), { maxLength: 400 })
  const list = pages.map((pgnos) => Uint32Array.from(pgnos).sort())
  fc.assert(
    fc.property(fc.array(list, { maxLength: 5 }), fc.constantFrom(3000, 2 ** 31), (lists, most) => {
      const expected = [...new Set(lists.flatMap((each) => [...each]))].sort((a, b) => a - b)
      const merged = mergePages(lists, most)
      assert.deepEqual([...merged], expected)
      for (let pgno = 0; pgno <= 3001; pgno += 7) assert.equal(includesPage(merged, pgno), expected.includes(pgno))
    }),
  )
})

test('a page set counts its pages and finds missing pages, and decoding returns the page set that was encoded', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 })), fc.integer({ min: 1, max: 400 }), (pgnos, commit) => {
      const set = new PageSet()
      const model = new Set<number>()
      pgnos.forEach((pgno, i) => {
        if (i % 4 === 3) {
          set.delete(pgno)
          model.delete(pgno)
        } else {
          set.add(pgno)
          model.add(pgno)
        }
      })
      set.truncate(commit)
      for (const pgno of model) if (pgno > commit) model.delete(pgno)
      assert.equal(set.size, model.size)
      assert.equal(set.missing(commit, commit + 1), commit - model.size)
      const back = PageSet.decode(set.encode(commit))
      const both = new PageSet()
      both.add(3)
      both.addAll(set)
      assert.equal(both.size, new Set([3, ...model]).size)
      for (const pgno of model) assert.ok(both.has(pgno))
      for (let pgno = 1; pgno <= 420; pgno++) {
        assert.equal(set.has(pgno), model.has(pgno))
        assert.equal(back.has(pgno), model.has(pgno))
      }
      for (let from = 1; from <= 405; from += 7) {
        let expected = from
        while (model.has(expected)) expected++
        assert.equal(set.firstMissing(from), expected)
      }
    }),
  )
})

test('a page map stores an offset beyond 4 GiB and the frame size of the largest page unchanged', () => {
  for (const [offset, size] of [
    [2 ** 46 - 1, 2 ** 18 - 1],
    [2 ** 32, 65_819],
    [2 ** 32 - 1, 11],
    [2 ** 45 + 12_345, 1],
  ] as const) {
    const builder = new PageMapBuilder()
    enter(builder, 3, 10, [{ pgno: 7, offset, size }])
    assert.deepEqual(builder.build().find(7), { file: 3, offset, size })
  }
})

test('a few pages near the largest page number take memory and time only for those pages', async () => {
  const last = 0xfffffffe
  const set = new PageSet()
  for (const pgno of [1, 5000, last, last - 1, 2 ** 31]) set.add(pgno)
  assert.equal(set.byteLength, 4 * 128)
  assert.deepEqual([...set.toArray(0xffffffff)], [1, 5000, 2 ** 31, last - 1, last])
  assert.deepEqual([set.has(last), set.has(last - 2), set.firstMissing(last - 1), set.size], [true, false, last + 1, 5])
  const other = new PageSet()
  other.addAll(set)
  other.truncate(5000)
  assert.deepEqual([other.size, other.byteLength, set.size], [2, 2 * 128, 5])
  assert.equal(PageSet.decode(other.encode(0xffffffff)).size, 2)
  set.delete(last)
  assert.deepEqual([set.has(last), set.size], [false, 4])

  const builder = new PageMapBuilder()
  enter(builder, 1, last, [frameOf(1), frameOf(5000), frameOf(last)])
  const map = builder.build()
  const present = new PageSet()
  present.add(5000)
  const lacking = await lackingFiles(map, present, () => true)
  assert.deepEqual(
    lacking.map(({ file, pgnos }) => [file, ...pgnos]),
    [[1, 1, last]],
  )
})
