import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PageRuns } from '../../../../src/replica/worker/chain/page-runs.js'
import { Random } from '../../../support/random.js'

test('runs of pages contain exactly the pages that were added, in ascending order', () => {
  const random = new Random(3)
  for (const density of [0.02, 0.5, 0.98]) {
    const pgnos = Array.from({ length: 5000 }, (_, i) => i + 1).filter(() => random.chance(density))
    const runs = PageRuns.from(pgnos)
    assert.equal(runs.size, pgnos.length)
    assert.deepEqual([...runs], pgnos)
    for (const size of [1, 7, 1000, 10_000]) {
      const parts = [...runs.parts(size)]
      assert.deepEqual(
        parts.flatMap((part) => [...part]),
        pgnos,
      )
      assert.ok(parts.every(({ length }) => length <= size))
    }
    for (let i = 0; i < 50; i++) {
      const [first, last] = [random.integer(1, 5000), random.integer(1, 5000)]
      const expected = pgnos.filter((pgno) => pgno >= first && pgno <= last)
      assert.deepEqual([...runs.within(first, last)], expected)
    }
  }
  assert.deepEqual([...new PageRuns().parts(10)], [])
  assert.deepEqual([...new PageRuns().within(1, 10)], [])
})
