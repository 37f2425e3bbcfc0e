import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { TaskQueue } from '../../src/util/task-queue.js'

/** Returns a task that runs until `end` is called. `started` has the names of the started tasks. */
function held(started: string[], name: string) {
  let end = () => {}
  let fail = (_error: Error) => {}
  const ended = new Promise<string>((resolve, reject) => {
    end = () => resolve(name)
    fail = reject
  })
  const task = () => {
    started.push(name)
    return ended
  }
  return { task, end, fail }
}

test('a TaskQueue starts tasks in their order, at most as many as its concurrency', async () => {
  const started: string[] = []
  const events: string[] = []
  const queue = new TaskQueue(2, { onStart: () => events.push('start'), onIdle: () => events.push('idle') })
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => held(started, name)) as ReturnType<typeof held>[]
  const results = [a!, b!, c!, d!].map(({ task }) => queue.add(task))
  assert.deepEqual(started, ['a', 'b'])
  b!.end()
  assert.equal(await results[1], 'b')
  await setImmediate()
  assert.deepEqual(started, ['a', 'b', 'c'])
  queue.concurrency = 3
  assert.deepEqual(started, ['a', 'b', 'c', 'd'])
  let isIdle = false
  const idle = queue.onIdle().then(() => {
    isIdle = true
  })
  for (const each of [a!, c!]) each.end()
  await setImmediate()
  assert.equal(isIdle, false)
  d!.end()
  await idle
  assert.deepEqual(events, ['start', 'start', 'start', 'start', 'idle'])
  await queue.onIdle()
})

test('a task of a TaskQueue that fails rejects its own promise, and the next task starts', async () => {
  const started: string[] = []
  const queue = new TaskQueue(1)
  const first = held(started, 'first')
  const failing = queue.add(first.task)
  const next = queue.add(async () => 'next')
  first.fail(new Error('the task failed'))
  await assert.rejects(failing, /the task failed/)
  assert.equal(await next, 'next')
})

test('a TaskQueue that is cleared starts no waiting task', async () => {
  const started: string[] = []
  const queue = new TaskQueue(1)
  const first = held(started, 'first')
  const running = queue.add(first.task)
  void queue.add(held(started, 'second').task)
  queue.clear()
  first.end()
  await running
  await queue.onIdle()
  assert.deepEqual(started, ['first'])
})
