import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pending } from '../../src/util/pending.js'

test('the first result or error settles a pending promise, and later results and errors have no effect', async () => {
  const resolved = new Pending<number>()
  resolved.resolve(1)
  resolved.reject(new Error('late'))
  resolved.resolve(2)
  assert.equal(await resolved.promise, 1)
  const rejected = new Pending<number>()
  rejected.reject(new Error('first'))
  rejected.resolve(1)
  await assert.rejects(rejected.promise, /first/)
})

test('a pending promise calls each clean-up function once, and immediately if the promise has already settled', async () => {
  const calls: string[] = []
  const pending = new Pending<void>()
  pending.onSettled(() => calls.push('before'))
  pending.resolve()
  pending.reject(new Error('late'))
  pending.onSettled(() => calls.push('after'))
  await pending.promise
  assert.deepEqual(calls, ['before', 'after'])
})

test('an abort rejects a pending promise, even if the signal was aborted earlier, and no callback runs after the promise has settled', async () => {
  const signal = AbortSignal.abort(new Error('before'))
  const early = new Pending<void>()
  early.onAbort(signal, () => early.reject(signal.reason))
  await assert.rejects(early.promise, /before/)
  const controller = new AbortController()
  let calls = 0
  const settled = new Pending<void>()
  settled.onAbort(controller.signal, () => calls++)
  settled.resolve()
  settled.onAbort(controller.signal, () => calls++)
  controller.abort()
  settled.onAbort(controller.signal, () => calls++)
  await settled.promise
  assert.equal(calls, 0)
})

test('a pending promise can follow another promise, and a late error of the other promise is handled', async () => {
  const pending = new Pending<string>()
  pending.follow(Promise.resolve('done'))
  assert.equal(await pending.promise, 'done')
  const aborted = new Pending<string>()
  aborted.reject(new Error('aborted'))
  aborted.follow(Promise.reject(new Error('late')))
  await assert.rejects(aborted.promise, /aborted/)
})
