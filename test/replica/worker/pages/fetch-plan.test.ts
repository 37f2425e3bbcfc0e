import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_GAP, MAX_RANGE, planFetch } from '../../../../src/replica/worker/pages/fetch-plan.js'

const page = (pgno: number, file: number, offset: number, size = 1000) => ({ pgno, file, offset, size })

test('pages that are adjacent in a file are read with one request, whatever the order of the page numbers', () => {
  const ranges = planFetch([page(3, 1, 2100), page(1, 1, 100), page(2, 1, 1100)])
  assert.equal(ranges.length, 1)
  assert.deepEqual([ranges[0].offset, ranges[0].length], [100, 3000])
  assert.deepEqual(
    ranges[0].pages.map(({ pgno }) => pgno),
    [1, 2, 3],
  )
})

test('one request for pages reads across a gap of up to 64 KiB, and a larger gap or another file needs another request', () => {
  assert.equal(planFetch([page(1, 1, 0), page(2, 1, 1000 + MAX_GAP)]).length, 1)
  assert.equal(planFetch([page(1, 1, 0), page(2, 1, 1001 + MAX_GAP)]).length, 2)
  assert.equal(planFetch([page(1, 1, 0), page(2, 2, 1000)]).length, 2)
})

test('no request for pages is longer than 8 MiB', () => {
  const pages = Array.from({ length: 5000 }, (_, i) => page(i + 1, 1, i * 4000, 4000))
  const ranges = planFetch(pages)
  assert.equal(ranges.length, 3)
  assert.ok(ranges.every(({ length }) => length <= MAX_RANGE))
  assert.equal(
    ranges.reduce((count, range) => count + range.pages.length, 0),
    5000,
  )
})
