import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreContact } from '../../src/replica/worker/contact.js'

/** No replica has it: what native code is told goes nowhere. */
const NOBODY = 0

test('stale is told, once, also when the timer comes before the clock says so', (t) => {
  let now = 1_700_000_000_000
  t.mock.method(Date, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told: string[] = []
  const contact = new StoreContact(NOBODY, 1000, (message) => told.push(message))
  contact.seen(now)
  // A clock that was set back a little, or one that counts otherwise than timers do.
  now += 990
  t.mock.timers.tick(1001)
  assert.deepEqual(told, [])
  now += 11
  t.mock.timers.tick(11)
  assert.deepEqual(told, ['the store was last seen 1001 ms ago, max_stale is 1000 ms'])
  contact.missed('UNAVAILABLE', 'no answer')
  t.mock.timers.tick(5000)
  assert.equal(told.length, 1)
  // Seen again, and lost again.
  contact.seen(now)
  now += 2000
  contact.missed('UNAVAILABLE', 'no answer')
  assert.equal(told.length, 2)
  contact.stop()
})
