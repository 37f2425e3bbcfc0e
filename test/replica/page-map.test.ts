import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodePageIndex, PageIndexReader, type PageMapTarget } from '../../src/ltx/page-index.js'
import { PageMap } from '../../src/replica/worker/chain/page-map.js'
import { PageSet } from '../../src/replica/worker/hydration/page-set.js'
import { type Frame, pageIndexOf } from '../support/page-index.js'

/** Enters the frames of a file that has these pages. */
function enter(frames: readonly Frame[]) {
  return (target: PageMapTarget) => {
    const bytes = encodePageIndex(pageIndexOf(frames))
    const reader = new PageIndexReader('test', 2 ** 52)
    reader.map(bytes.subarray(0, -8), target, new Float64Array(0), false)
    reader.end()
  }
}

const frameOf = (pgno: number): Frame => ({ pgno, offset: pgno * 4000, size: (pgno % 4000) + 1 })
const index = (pgnos: readonly number[]) => enter(pgnos.map(frameOf))

test('a map is what its files say, whatever came before, and older maps stay as they were', () => {
  const step = fc.record({
    commit: fc.integer({ min: 1, max: 3000 }),
    pgnos: fc.uniqueArray(fc.integer({ min: 1, max: 3500 }), { maxLength: 60 }),
    freeze: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      let map = PageMap.empty().freeze()
      let model = new Map<number, number>()
      const frozen: [PageMap, Map<number, number>][] = []
      steps.forEach(({ commit, pgnos, freeze }, i) => {
        const sorted = pgnos.sort((a, b) => a - b)
        map = map.apply(index(sorted), i + 1, commit)
        model = new Map([...model].filter(([pgno]) => pgno <= commit))
        for (const pgno of sorted) if (pgno <= commit) model.set(pgno, i + 1)
        if (freeze) frozen.push([map.freeze(), new Map(model)])
      })
      for (const [each, expected] of [...frozen, [map, model] as const]) {
        for (let pgno = 1; pgno <= 3500; pgno++) {
          const file = expected.get(pgno) ?? 0
          assert.equal(each.fileOf(pgno), file)
          if (file) assert.deepEqual(each.find(pgno), { file, offset: pgno * 4000, size: pgno + 1 })
        }
      }
    }),
    { numRuns: 60 },
  )
})

test('a new map costs the pages that changed, not those there are', () => {
  const pages = 1_000_000
  const map = PageMap.build(pages, (pgno) => ({ file: 1, offset: pgno * 10, size: 9 }))
  const changed = [3, 4, 5000, 999_999]
  const next = map.apply(index(changed), 2, pages)
  assert.equal(next.ownChunks, 3)
  assert.equal(next.freeze().apply(index([]), 3, pages).ownChunks, 0)
  assert.ok(map.byteLength <= 16 * (pages + 1024), `${map.byteLength / pages} bytes a page`)
})

test('a page set keeps its count, finds what is missing and survives encoding', () => {
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
      const both = new PageSet(new Uint32Array(1))
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

test('an offset beyond 4 GiB and a frame of the largest page come back as they went in', () => {
  for (const [offset, size] of [
    [2 ** 46 - 1, 2 ** 18 - 1],
    [2 ** 32, 65_819],
    [2 ** 32 - 1, 11],
    [2 ** 45 + 12_345, 1],
  ]) {
    const one = enter([{ pgno: 7, offset, size }])
    assert.deepEqual(PageMap.empty().apply(one, 3, 10).freeze().find(7), { file: 3, offset, size })
  }
})
