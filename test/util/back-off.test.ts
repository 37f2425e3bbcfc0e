import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Doubling, jitteredDelay, retryDelay } from '../../src/util/back-off.js'

test('the back-off delay doubles with each failure, from the first delay up to the longest delay', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 1e9].map((failures) => retryDelay(failures, 100, 1000)),
    [100, 100, 200, 400, 800, 1000, 1000],
  )
  assert.equal(retryDelay(1, 5000, 1000), 1000)
})

test('a jittered delay is between 0 and the delay without jitter', () => {
  for (let i = 0; i < 1000; i++) {
    const delay = jitteredDelay(3, 100, 1000)
    assert.ok(delay >= 0 && delay < 400, `${delay}`)
  }
})

test('after a success, the back-off delay is the first delay again', () => {
  const delays = new Doubling(100, 300)
  assert.deepEqual([delays.next(), delays.next(), delays.next()], [100, 200, 300])
  delays.reset()
  assert.equal(delays.next(), 100)
})
