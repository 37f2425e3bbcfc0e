import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadingEnd } from '../../../src/storage/nats/reading-end.js'

/** What the server says while a reader goes up to sequence 10. */
function reading(expected: number | undefined, ...said: (readonly [number, number] | { readonly sent: number })[]) {
  const end = new ReadingEnd(10)
  if (expected !== undefined) end.started(expected)
  for (const what of said) {
    if ('sent' in what) end.alive(what.sent)
    else end.delivered(what[0], what[1])
  }
  return { reached: end.isReached, complete: end.isComplete }
}

const COMPLETE = { reached: true, complete: true }
const IN_DOUBT = { reached: true, complete: false }

test('a NATS read is complete if its consumer starts with no pending message, or if every pending message was delivered', () => {
  assert.deepEqual(reading(0), COMPLETE)
  assert.equal(reading(2, [3, 1]).reached, false)
  assert.deepEqual(reading(2, [3, 1], [7, 0]), COMPLETE, 'other subjects may have the sequences behind')
})

test('messages that arrive before the response to the creation of the consumer do not end a NATS read', () => {
  assert.equal(reading(undefined, [3, 0]).reached, false)
})

test('omitted or replaced messages make a NATS read incomplete, and the read does not wait for later messages', () => {
  assert.deepEqual(reading(2, [3, 8], [10, 7]), COMPLETE)
  assert.deepEqual(reading(1, [3, 8], [12, 7]), COMPLETE)
  assert.deepEqual(reading(2, [3, 8], [12, 7]), IN_DOUBT)
  assert.equal(reading(3, [3, 0], [4, 0]).reached, false, 'a count of what is to come that is too low')
  assert.deepEqual(reading(3, [3, 0], [4, 0], [9, 0]), COMPLETE)
})

test('two successive heartbeats end a NATS read, and the read is incomplete if messages are outstanding', () => {
  assert.equal(reading(4, [3, 3], { sent: 1 }).reached, false)
  assert.equal(reading(4, [3, 3], { sent: 1 }, { sent: 2 }).reached, false)
  assert.equal(reading(4, [3, 3], { sent: 1 }, [4, 2], { sent: 2 }).reached, false)
  assert.deepEqual(reading(4, [3, 3], { sent: 1 }, { sent: 1 }), IN_DOUBT)
})
