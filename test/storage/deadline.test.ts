import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { deadline } from '../../src/storage/retry.js'

test("after a request, no listener remains on the caller's signal", () => {
  const { signal } = new AbortController()
  const limits = Array.from({ length: 50 }, () => deadline(60_000, signal))
  for (const limit of limits) limit.settle()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  // What AbortSignal.any keeps in the signal it depends on, for as long as that lives.
  const dependants = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals')
  assert.equal(dependants && (signal as unknown as Record<symbol, Set<unknown>>)[dependants]?.size, undefined)
})

test('a deadline ends when its AbortSignal is aborted or its timeout has passed, and then shows whether the timeout has passed', async () => {
  const stop = new AbortController()
  const stopped = deadline(60_000, stop.signal)
  stop.abort(new Error('enough'))
  assert.equal((stopped.signal.reason as Error).message, 'enough')
  assert.equal(stopped.passed(), false)
  stopped.settle()
  const late = deadline(1, new AbortController().signal)
  await new Promise((resolve) => late.signal.addEventListener('abort', resolve))
  assert.equal(late.passed(), true)
  late.settle()
  const ended = deadline(60_000, AbortSignal.abort(new Error('before')))
  assert.equal(ended.signal.aborted, true)
  ended.settle()
})
