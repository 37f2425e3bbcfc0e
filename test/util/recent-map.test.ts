import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentMap } from '../../src/util/recent-map.js'

test('a full RecentMap removes the entry whose last use is the oldest', () => {
  const step = fc.record({ kind: fc.constantFrom('get', 'set'), key: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const map = new RecentMap<number, number>(4)
      let model: [number, number][] = []
      steps.forEach(({ kind, key }, value) => {
        const known = model.find(([each]) => each === key)
        if (kind === 'get') assert.equal(map.get(key), known?.[1])
        else map.set(key, value)
        const used = kind === 'set' ? ([key, value] as [number, number]) : known
        if (used) model = [...model.filter((each) => each !== known), used].slice(-4)
        assert.deepEqual(
          [...map.values()],
          model.map(([, each]) => each),
        )
      })
    }),
  )
})

test('a RecentMap limits the total size of its entries, and an entry above this limit is not stored', () => {
  const map = new RecentMap<string, number>(10, (value) => value)
  map.set('a', 4)
  map.set('b', 4)
  map.set('a', 5)
  map.set('c', 2)
  assert.deepEqual([[...map.values()], map.size], [[5, 2], 7])
  map.set('d', 11)
  assert.deepEqual([[...map.values()], map.size], [[], 0])
})
