import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreContact } from '../../../src/replica/worker/contact.js'

/** No replica has this id: calls of native code have no effect. */
const NOBODY = 0

test('a stale replica is reported once, even if the stale timer fires too early', (t) => {
  let now = 1_700_000
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told: string[] = []
  const contact = new StoreContact(
    NOBODY,
    1000,
    (message) => told.push(message),
    () => now,
  )
  contact.seen(now)
  // Timers count on a clock of their own.
  now += 990
  t.mock.timers.tick(1001)
  assert.deepEqual(told, [])
  now += 11
  t.mock.timers.tick(11)
  assert.deepEqual(told, ['the last successful poll began 1001 ms ago, but max_stale is 1000 ms'])
  contact.missed('UNAVAILABLE', 'no answer')
  t.mock.timers.tick(5000)
  assert.equal(told.length, 1)
  // Contact again, then lost again.
  contact.seen(now)
  now += 2000
  contact.missed('UNAVAILABLE', 'no answer')
  assert.equal(told.length, 2)
  contact.stop()
})

test('a step of the wall clock neither makes a replica stale nor prevents the replica from becoming stale', (t) => {
  let [now, wall] = [5000, 1_700_000_000_000]
  t.mock.method(Date, 'now', () => wall)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let stale = 0
  const contact = new StoreContact(
    NOBODY,
    60_000,
    () => stale++,
    () => now,
  )
  contact.seen(now)
  wall += 3_600_000
  now += 1000
  contact.missed('UNAVAILABLE', 'no answer')
  assert.equal(stale, 0)
  wall -= 7_200_000
  now += 60_000
  t.mock.timers.tick(61_000)
  assert.equal(stale, 1)
  contact.stop()
})
