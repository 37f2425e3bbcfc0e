import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { linkAbort, onAbort } from '../../src/util/abort.js'
import { orAborted } from '../../src/util/or-aborted.js'
import { pause } from '../../src/util/pause.js'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('an AbortSignal has one listener for any number of callbacks, and none after all callbacks are removed', () => {
  const { signal } = new AbortController()
  const forgets = Array.from({ length: 1000 }, () => onAbort(signal, () => assert.fail('it was removed')))
  assert.equal(listeners(signal), 1)
  for (const forget of forgets.slice(1)) forget()
  assert.equal(listeners(signal), 1)
  forgets[0]!()
  forgets[0]!()
  assert.equal(listeners(signal), 0)
})

test('an abort calls each callback once, except the callbacks that were removed, and leaves no listener', () => {
  const controller = new AbortController()
  const calls: string[] = []
  const same = () => void calls.push('same')
  onAbort(controller.signal, same)
  onAbort(controller.signal, same)
  onAbort(controller.signal, () => forget())
  const forget = onAbort(controller.signal, () => void calls.push('removed'))
  controller.abort()
  controller.abort()
  assert.deepEqual(calls, ['same', 'same'])
  onAbort(controller.signal, () => void calls.push('late'))
  assert.equal(calls.at(-1), 'late')
  assert.equal(listeners(controller.signal), 0)
})

test('after a wait for a promise or an AbortSignal, no listener remains on the signal, whether the promise or the abort came first', async () => {
  const [a, b] = [new AbortController(), new AbortController()]
  const reason = new Error('enough')
  assert.equal(await orAborted(Promise.resolve(1), [a.signal, undefined, b.signal]), 1)
  await assert.rejects(orAborted(Promise.reject(reason), a.signal), reason)
  const waits = Array.from({ length: 100 }, () => orAborted(new Promise<never>(() => {}), [a.signal, b.signal]))
  assert.deepEqual([listeners(a.signal), listeners(b.signal)], [1, 1])
  const pauses = Array.from({ length: 100 }, () => pause(60_000, a.signal, b.signal))
  b.abort(reason)
  for (const wait of waits) await assert.rejects(wait, reason)
  await Promise.all(pauses)
  assert.deepEqual([listeners(a.signal), listeners(b.signal)], [0, 0])
  await assert.rejects(orAborted(Promise.reject(new Error('unheard')), b.signal), reason)
})

test('a linked abort controller aborts with the reason of its signal, unless the controller was unlinked', () => {
  const [one, other] = [new AbortController(), new AbortController()]
  linkAbort(one.signal, other)
  const unlinked = new AbortController()
  linkAbort(one.signal, unlinked)()
  one.abort('why')
  assert.equal(other.signal.reason, 'why')
  assert.equal(unlinked.signal.aborted, false)
})

test('no source file except src/util/abort.ts adds a listener to an AbortSignal', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const listening = files.filter((name) =>
    /addEventListener\(\s*['"]abort/.test(readFileSync(path.join('src', name), 'utf8')),
  )
  assert.deepEqual(listening, [path.join('util', 'abort.ts')])
})
