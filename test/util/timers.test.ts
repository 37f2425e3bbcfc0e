import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pause } from '../../src/util/pause.js'
import { guarded, MAX_DELAY_MS, startInterval, startTimer, timeoutSignal } from '../../src/util/timers.js'
import { until } from '../support/until.js'

const source = path.resolve(import.meta.dirname, '../../../src')

test('a timer with a delay above 2^31-1 ms does not fire immediately, as Node’s own timer would', async () => {
  const fired: string[] = []
  const timers = [2 ** 31, 2 ** 32 + 5, 2 ** 53, Number.POSITIVE_INFINITY].map((ms) =>
    startTimer(ms, () => fired.push(String(ms))),
  )
  const stopped = new AbortController()
  const paused = pause(MAX_DELAY_MS + 1, stopped.signal).then(() => fired.push('pause'))
  const interval = startInterval(2 ** 40, () => fired.push('interval'))
  const signal = timeoutSignal(2 ** 33)
  await pause(50)
  assert.deepEqual([fired, signal.aborted], [[], false])
  stopped.abort()
  await paused
  assert.deepEqual(fired, ['pause'])
  for (const timer of [...timers, interval]) timer.stop()
})

test('a timer with a negative delay or a delay that is not a number fires as soon as possible', async () => {
  const fired: number[] = []
  for (const ms of [-1, Number.NaN, Number.NEGATIVE_INFINITY, 0]) startTimer(ms, () => fired.push(ms))
  await until('all fired', () => fired.length === 4)
})

test('an error in a timer or in an event handler is passed to the error handler, and an interval timer continues', async () => {
  const errors: unknown[] = []
  const note = (error: unknown) => errors.push((error as Error).message)
  startTimer(
    0,
    () => {
      throw new Error('thrown')
    },
    note,
  )
  startTimer(0, () => Promise.reject(new Error('rejected')), note)
  guarded((text: string) => {
    throw new Error(text)
  }, note)('handled')
  await until('three errors', () => errors.length === 3)
  assert.deepEqual(errors.sort(), ['handled', 'rejected', 'thrown'])
  let runs = 0
  const interval = startInterval(
    1,
    () => {
      runs++
      throw new Error('again')
    },
    note,
  )
  await until('it ran again', () => runs >= 3)
  interval.stop()
})

test('runs of an interval timer do not overlap, and a stopped interval timer does not run again', async () => {
  let running = 0
  let most = 0
  let runs = 0
  const interval = startInterval(1, async () => {
    most = Math.max(most, ++running)
    await pause(5)
    running--
    runs++
    if (runs === 3) interval.stop()
  })
  await until('three runs', () => runs === 3)
  await pause(20)
  assert.deepEqual([runs, most], [3, 1])
})

test('an error in a timer without an error handler causes a process warning', async () => {
  const warnings: string[] = []
  const listen = (warning: Error) => warnings.push(`${warning.name} ${warning.message}`)
  process.on('warning', listen)
  startTimer(
    0,
    () => {
      throw new Error('first')
    },
    () => {
      throw new Error('second')
    },
  )
  await until('a warning', () => warnings.length > 0)
  process.off('warning', listen)
  assert.match(warnings[0]!, /^LitestreamWarning unexpected error: Error: second/)
})

test('no source file uses Node’s own timers', () => {
  // `response.setTimeout` is the limit of a socket, and no timer.
  const own = /AbortSignal\.timeout\(|(?<!\.)\bset(?:Timeout|Interval)\(|globalThis\.set|node:timers/
  // The scripts of the status page run in a browser, and examples in the reader's program.
  const isOurs = (name: string) =>
    name.endsWith('.ts') && name !== 'util/timers.ts' && !name.startsWith(path.join('status', 'browser'))
  const code = (name: string) => readFileSync(path.join(source, name), 'utf8').replace(/^ *\*.*$/gm, '')
  const found = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    (name) => isOurs(name) && own.test(code(name)),
  )
  assert.deepEqual(found, [], 'use startTimer, startInterval, timeoutSignal (src/util/timers.ts) or pause')
})
