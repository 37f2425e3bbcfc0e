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

test('the page cache evicts the least recently used leaf, and interior pages only above half of the slots', () => {
  const step = fc.record({ kind: fc.constantFrom('store', 'read', 'drop', 'interior'), key: fc.nat(99) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 200, maxLength: 400 }), (steps) => {
      const store = new PageStore(512, 0)
      // The keys in the order of their last use.
      let leaves: number[] = []
      let interior: number[] = []
      const isResident = (key: number) => leaves.includes(key) || interior.includes(key)
      const without = (keys: readonly number[], key: number) => keys.filter((each) => each !== key)
      for (const { kind, key } of steps) {
        if (kind === 'store') {
          store.allocate([key])
          if (isResident(key)) continue
          if (leaves.length + interior.length === store.slots) {
            if (interior.length > store.slots / 2 || leaves.length === 0) interior.shift()
            else leaves.shift()
          }
          leaves.push(key)
        } else if (kind === 'drop') {
          store.drop(key)
          leaves = without(leaves, key)
          interior = without(interior, key)
        } else if (kind === 'interior') {
          store.keepLonger(key)
          if (!leaves.includes(key)) continue
          leaves = without(leaves, key)
          interior.push(key)
        } else {
          assert.equal(store.slotOf(key) !== undefined, isResident(key))
          if (leaves.includes(key)) leaves = [...without(leaves, key), key]
          if (interior.includes(key)) interior = [...without(interior, key), key]
        }
        assert.equal(store.size, leaves.length + interior.length)
      }
      for (let key = 0; key < 100; key++) assert.equal(store.has(key), isResident(key))
    }),
  )
})
