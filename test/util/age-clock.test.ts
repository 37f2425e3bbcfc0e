import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgeClock } from '../../src/util/age-clock.js'

const HOUR = 3_600_000
const START = 1_900_000_000_000

function clocks() {
  const time = { wall: START, monotonic: 500 }
  const clock = new AgeClock(HOUR, { now: () => time.wall, monotonic: () => time.monotonic })
  const pass = (ms: number) => {
    time.wall += ms
    time.monotonic += ms
  }
  return { time, clock, pass }
}

test('while the wall clock does not step, the age clock shows the time of the wall clock', () => {
  const { clock, pass } = clocks()
  pass(30 * HOUR)
  assert.equal(clock.now(), START + 30 * HOUR)
})

test('a forward step of the wall clock affects the age clock only after the step has lasted for a given time', () => {
  const { time, clock, pass } = clocks()
  time.wall += 24 * HOUR
  pass(1000)
  assert.equal(clock.now(), START + 1000)
  pass(HOUR - 1)
  assert.equal(clock.now(), START + 1000 + HOUR - 1)
  pass(1)
  assert.equal(clock.now(), time.wall)
})

test('a forward step of the wall clock that is taken back has no effect on the age clock', () => {
  const { time, clock, pass } = clocks()
  time.wall += 24 * HOUR
  clock.now()
  pass(HOUR / 2)
  clock.now()
  time.wall -= 24 * HOUR
  pass(HOUR)
  assert.equal(clock.now(), START + 1.5 * HOUR)
  time.wall += 24 * HOUR
  assert.equal(clock.now(), START + 1.5 * HOUR)
})

test('a backward step of the wall clock affects the age clock immediately, and its correction is treated like any forward step', () => {
  const { time, clock, pass } = clocks()
  time.wall -= 5 * HOUR
  assert.equal(clock.now(), START - 5 * HOUR)
  time.wall += 5 * HOUR
  assert.equal(clock.now(), START - 5 * HOUR)
  pass(HOUR)
  assert.equal(clock.now(), START + HOUR)
})

test('small corrections of the wall clock affect the age clock immediately', () => {
  const { time, clock, pass } = clocks()
  for (let i = 0; i < 10; i++) {
    pass(60_000)
    time.wall += 100
    assert.equal(clock.now(), time.wall)
  }
})
