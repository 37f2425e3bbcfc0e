import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PageStore } from '../../../../src/replica/worker/pages/page-store.js'

test('pages that are stored together get separate slots of the page cache, whichever of these pages are resident or evicted', () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(120), { maxLength: 16 }), { maxLength: 60 }), (turns) => {
      const store = new PageStore(512, 0)
      const owner = new Map<number, number>()
      for (const keys of turns) {
        const slots = store.allocate(keys)
        assert.equal(new Set(slots).size, keys.length)
        keys.forEach((key, i) => {
          owner.set(slots[i], key)
          if (key % 3 === 0) store.keepLonger(key)
        })
        // Whoever is still resident has the slot to itself.
        for (const [slot, key] of owner) if (store.slotOf(key) === slot) assert.equal(owner.get(slot), key)
        for (const key of keys) assert.equal(owner.get(store.slotOf(key) as number), key)
      }
    }),
  )
})
