// A read of a resident page, in memory or in the local copy, takes no lock, allocates nothing,
// makes no system call and does not call JavaScript. A library that is loaded before all others
// counts every relevant call of the addon.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { compileCallCounter } from '../support/probe.js'
import { makeSource } from '../support/replica.js'

interface Told {
  readonly cold: Readonly<Record<string, number>>
  readonly warm: Readonly<Record<string, number>>
  readonly hits: number
  readonly crossings: number
}

test('a read of a resident page takes no lock, allocates no memory, makes no system call and does not call JavaScript', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, randomblob(3500) FROM n`)
  const counter = compileCallCounter()
  const child = fork(new URL('./hot-path-child.js', import.meta.url), [url, counter], {
    execArgv: [],
    env: { ...process.env, LD_PRELOAD: counter },
  })
  const exited = once(child, 'exit')
  const [told] = (await Promise.race([once(child, 'message'), exited])) as [Told]
  assert.deepEqual(await exited, [0, null])
  // Checks the counter itself: a non-resident page costs a request and a lock.
  assert.ok(told.cold.locks! > 0 && told.cold.allocations! > 0 && told.cold.waits! > 0, JSON.stringify(told))
  assert.ok(told.hits > 2500, `${told.hits} pages read`)
  assert.equal(told.crossings, 0)
  assert.deepEqual(told.warm, { allocations: 0, frees: 0, locks: 0, waits: 0, systemCalls: 0 })
})
