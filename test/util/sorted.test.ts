import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowerBound } from '../../src/util/sorted.js'

test('lowerBound returns the first index whose value is at least the given value', () => {
  const sorted = Uint32Array.of(2, 4, 4, 9)
  for (let value = 0; value <= 10; value++) {
    for (let from = 0; from <= sorted.length; from++) {
      const expected = sorted.findIndex((each, index) => index >= from && each >= value)
      assert.equal(lowerBound(sorted, value, from), expected === -1 ? sorted.length : expected)
    }
  }
  assert.equal(lowerBound(new Uint32Array(), 1), 0)
})
