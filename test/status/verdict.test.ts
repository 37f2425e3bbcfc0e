import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DatabaseFault, PartFault } from '../../src/status/document.js'
import { type Condition, databaseVerdict, finalVerdict, health, isHealthy } from '../../src/status/verdict.js'

const condition = (more: Partial<Condition> = {}): Condition => ({
  path: '/a.db',
  state: 'replicating',
  lagMs: 0,
  ...more,
})
const fault = (more: Partial<DatabaseFault> = {}): DatabaseFault => ({
  operation: 'upload',
  message: 'it failed',
  code: 'UNAVAILABLE',
  hint: undefined,
  since: 0,
  ageMs: 0,
  retried: true,
  ...more,
})
const part = (more: Partial<PartFault> = {}): PartFault => ({
  part: 'http',
  name: ':9090',
  replication: false,
  message: 'in use',
  code: 'UNAVAILABLE',
  hint: undefined,
  since: 0,
  failures: 1,
  ...more,
})

test('a database counts as ok while it is replicated, while it is stopped on purpose, and while the primary is on standby', () => {
  for (const state of ['replicating', 'standby', 'open']) assert.ok(databaseVerdict(condition({ state })).ok, state)
  assert.ok(databaseVerdict(condition({ state: 'stopped', lagMs: 1e9, error: fault({ retried: false }) })).ok)
})

test('the verdict of a database that is not ok has a reason', () => {
  for (const [more, reason] of [
    [{ state: 'fenced' }, /another primary/],
    [{ lagMs: 61_000 }, /the replica is 1m1s behind/],
    [{ missingMs: 61_000 }, /the database file has been missing for 1m1s/],
    [{ error: fault({ retried: false }) }, /it failed/],
    [{ error: fault({ code: 'ACCESS_DENIED' }) }, /it failed/],
    [{ error: fault({ ageMs: 61_000 }) }, /it failed/],
    [{ error: fault({ operation: 'compaction', code: 'LTX_GAP' }) }, /it failed/],
    [{ error: fault({ operation: 'compaction', ageMs: 3_600_000 }) }, /it failed/],
  ] as const) {
    const { ok, reason: given } = databaseVerdict(condition(more))
    assert.ok(!ok)
    assert.match(given!, reason)
  }
})

test('a temporary fault, a missing database file and a delay count as ok until max-lag has passed', () => {
  for (const more of [
    { lagMs: 59_000 },
    { missingMs: 59_000 },
    { error: fault({ ageMs: 59_000 }) },
    { error: fault({ operation: 'compaction', ageMs: 600_000 }) },
  ]) {
    assert.ok(databaseVerdict(condition(more)).ok)
    const strict = databaseVerdict(condition(more), 1000)
    assert.equal(strict.ok, more.error?.operation === 'compaction', JSON.stringify(more))
  }
})

test('at the end of a process, a temporary fault counts as a failure, because no retry follows', () => {
  assert.ok(!finalVerdict(condition({ error: fault() })).ok)
  assert.ok(!finalVerdict(condition({ state: 'fenced' })).ok)
  assert.ok(finalVerdict(condition({ lagMs: 1e9 })).ok, 'the last sync has uploaded it')
  assert.ok(finalVerdict(condition({ missingMs: 1000 })).ok)
  assert.ok(!finalVerdict(condition({ missingMs: 1e9 })).ok)
  assert.ok(finalVerdict(condition({ error: fault({ operation: 'compaction' }) })).ok)
})

test('the verdict of a process is the worst verdict of its databases and parts, in the order failing, behind, degraded, ok', () => {
  const lagging = condition({ lagMs: 1e9 })
  const failing = condition({ state: 'fenced' })
  const skipped = part({ part: 'file', replication: true })
  const statusOf = (conditions: Condition[], parts: PartFault[] = []) => health(conditions, parts, null).status
  assert.equal(statusOf([condition(), condition()]), 'ok')
  assert.equal(statusOf([condition()], [part()]), 'degraded')
  assert.equal(statusOf([condition(), lagging], [part()]), 'behind')
  assert.equal(statusOf([lagging, failing]), 'failing')
  assert.equal(statusOf([condition()], [skipped]), 'failing')
  assert.deepEqual(
    [[part()], [skipped]].map((parts) => isHealthy(health([condition()], parts, null))),
    [true, false],
  )
  for (const wrong of ['soon', '-1s', ''])
    assert.throws(() => health([], [], wrong), { code: 'INVALID_ARGUMENT', message: /max-lag/ })
})
