import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { monotonicMs } from '../../src/util/monotonic.js'

test('when the wall clock is set back, the monotonic clock does not go back', (t) => {
  const before = monotonicMs()
  t.mock.method(Date, 'now', () => 0)
  const after = monotonicMs()
  assert.ok(after >= before && after - before < 60_000, `${before} to ${after}`)
})

test('the monotonic clock has the same zero point on all threads', async () => {
  const clock = new URL('../../src/util/monotonic.js', import.meta.url)
  const before = monotonicMs()
  const inWorker = await new Promise<number>((resolve, reject) => {
    const code = `import(${JSON.stringify(clock.href)}).then(({ monotonicMs }) =>
      require('node:worker_threads').parentPort.postMessage(monotonicMs()))`
    new Worker(code, { eval: true }).on('message', resolve).on('error', reject)
  })
  assert.ok(before <= inWorker && inWorker <= monotonicMs())
})
