import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { CompactionScheduler } from '../../src/compaction/scheduler.js'
import { type CompactionSettings, DEFAULT_COMPACTION_SETTINGS } from '../../src/compaction/settings.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { nextWindow, windowStart } from '../../src/compaction/window.js'
import type { LitestreamError } from '../../src/errors.js'
import { KnownLevels } from '../../src/levels/known-levels.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { collect } from '../support/collect.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

async function fixture(t: TestContext, settings: Partial<CompactionSettings>, clock?: () => number) {
  const dir = temporaryDirectory(t)
  const client = new KnownLevels(await openReplicaClient(`file://${dir}/replica`), clock ? { now: clock } : {})
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  const log: string[] = []
  const errors: { task: string; error: LitestreamError; failures: number; retryMs: number }[] = []
  const scheduler = new CompactionScheduler(
    client,
    { ...DEFAULT_COMPACTION_SETTINGS, ...settings },
    {
      ...(clock ? { clock: { now: clock, monotonic: clock } } : {}),
      observer: {
        written: ({ level, file }) => log.push(`L${level} ${file.minTxid}-${file.maxTxid}`),
        deleted: ({ level, files }) => log.push(`delete L${level} ${files.map(({ maxTxid }) => maxTxid)}`),
        fault: ({ error }) => log.push(`fault ${error.message}`),
        recovered: () => log.push('recovered'),
        error: ({ error, ...event }) => errors.push({ ...event, error: error as LitestreamError }),
      },
    },
  )
  t.after(() => scheduler.stop())
  const file = (level: number, min: number, max = min) =>
    path.join(dir, 'replica/ltx', `${level}`, formatFileName(min, max))
  return { client, history, scheduler, log, errors, file }
}

test('compaction windows begin at multiples of the compaction interval in UTC', () => {
  const at = Date.UTC(2026, 1, 3, 4, 5, 6)
  assert.equal(windowStart(at, 30_000), Date.UTC(2026, 1, 3, 4, 5, 0))
  assert.equal(nextWindow(at, 30_000), Date.UTC(2026, 1, 3, 4, 5, 30))
  assert.equal(nextWindow(at, 24 * 3600_000), Date.UTC(2026, 1, 4))
  assert.equal(nextWindow(Date.UTC(2026, 1, 4), 24 * 3600_000), Date.UTC(2026, 1, 5))
})

test('the compaction scheduler compacts every level at its start, and again in every compaction window that has new files', async (t) => {
  const levels = [
    { level: 2, interval: 400 },
    { level: 1, interval: 100 },
  ]
  const { client, history, scheduler, log, errors } = await fixture(t, {
    levels,
    verifyCompaction: true,
    validationInterval: 50,
  })
  history.time = Date.now() - 3600_000
  await history.commit('CREATE TABLE t (v)')
  await history.commit('INSERT INTO t VALUES (1)')
  scheduler.start()
  scheduler.start()
  await until('level 2 is made', () => log.includes('L2 2-2'))
  assert.deepEqual(log.slice(0, 3), ['L9 1-1', 'L1 2-2', 'L2 2-2'])
  await history.commit('INSERT INTO t VALUES (2)')
  await until('both levels continue', async () => (await collect(client.list(2))).at(-1)?.maxTxid === 3)
  await scheduler.stop()
  const { length } = log
  await history.commit('INSERT INTO t VALUES (3)')
  assert.equal(log.length, length)
  assert.deepEqual(errors, [])
  assert.ok(!log.some((line) => line.startsWith('fault')))
})

test('a level that has already received a file in the current compaction window gets its next file in the next compaction window', async (t) => {
  let now = Date.UTC(2026, 0, 1, 0, 0, 5)
  const { client, history, scheduler, log } = await fixture(t, { levels: [{ level: 1, interval: 30_000 }] }, () => now)
  history.time = now - 1000
  await history.commit('CREATE TABLE t (v)', 0)
  await history.commit('INSERT INTO t VALUES (1)', 0)
  scheduler.start()
  await until('the first file', () => log.includes('L1 2-2'))
  await scheduler.stop()
  await history.commit('INSERT INTO t VALUES (2)', 0)

  const restarted = async () => {
    const seen: string[] = []
    const again = new CompactionScheduler(
      client,
      { ...DEFAULT_COMPACTION_SETTINGS, levels: [{ level: 1, interval: 30_000 }] },
      {
        clock: { now: () => now, monotonic: () => now },
        observer: {
          written: ({ level, file }) => seen.push(`L${level} ${file.minTxid}-${file.maxTxid}`),
          deleted: () => {},
        },
      },
    )
    again.start()
    await again.ready()
    await again.stop()
    return seen
  }
  assert.deepEqual(
    (await restarted()).filter((line) => line.startsWith('L1')),
    [],
  )
  now += 30_000
  assert.deepEqual(
    (await restarted()).filter((line) => line.startsWith('L1')),
    ['L1 3-3'],
  )
})

test('the compaction scheduler reports a gap until the gap is closed, but ignores a gap that a snapshot bridges', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const settings = { levels: [], validationInterval: 1000, retentionEnabled: false }
  const { history, scheduler, log, file } = await fixture(t, settings, () => now)
  history.time = now
  await history.commit('CREATE TABLE t (v)', 0)
  await history.commit('INSERT INTO t VALUES (1)', 0)
  await history.commit('INSERT INTO t VALUES (2)', 0)
  await history.snapshot()
  await history.commit('INSERT INTO t VALUES (3)', 0)
  const turn = async () => {
    log.length = 0
    now += 1000
    await scheduler.runDue()
    return [...log]
  }
  rmSync(file(0, 2))
  assert.deepEqual(await turn(), [])
  const snapshot = readFileSync(file(9, 1, 3))
  rmSync(file(9, 1, 3))
  const [fault, ...more] = await turn()
  assert.match(fault!, /^fault .*gap after TXID 0000000000000001/)
  assert.deepEqual(more, [])
  writeFileSync(file(9, 1, 3), snapshot)
  assert.deepEqual(await turn(), ['recovered'])
  assert.deepEqual(await turn(), [])
})

test('the compaction scheduler accepts an empty replica, and reports damage repeatedly until the damage is repaired', async (t) => {
  const { history, scheduler, log, errors, file } = await fixture(t, { levels: [{ level: 1, interval: 20 }] })
  scheduler.start()
  await scheduler.validate()
  assert.deepEqual(errors, [])
  await history.commit('CREATE TABLE t (v)')
  await history.commit('INSERT INTO t VALUES (1)')
  await until('it is compacted', () => log.includes('L1 2-2'))
  await history.commit('INSERT INTO t VALUES (2)')
  await until('again', () => log.includes('L1 3-3'))
  await scheduler.stop()

  const {
    history: h2,
    scheduler: s2,
    log: l2,
    errors: e2,
    file: f2,
  } = await fixture(t, { levels: [{ level: 1, interval: 20 }] })
  await h2.commit('CREATE TABLE t (v)')
  await h2.commit('INSERT INTO t VALUES (1)')
  const good = readFileSync(f2(0, 2))
  writeFileSync(f2(0, 2), good.subarray(0, 300))
  s2.start()
  await until('the damage is reported twice', () => e2.filter(({ task }) => task === 'compact').length >= 2)
  const reported = e2.filter(({ task }) => task === 'compact')
  assert.deepEqual(
    reported.slice(0, 2).map(({ error, failures, retryMs }) => [error.code, failures, retryMs]),
    [
      ['LTX_CORRUPT', 1, 1000],
      ['LTX_CORRUPT', 2, 2000],
    ],
  )
  writeFileSync(f2(0, 2), good)
  await until('it is compacted after all', () => l2.includes('L1 2-2'))
  await assert.rejects(s2.compact(9), { code: 'INVALID_ARGUMENT' })
  assert.ok(file(0, 1).endsWith('.ltx'))
})

test('if retention is disabled, the compaction scheduler deletes no file', async (t) => {
  const { client, history, scheduler, log } = await fixture(t, { retentionEnabled: false })
  await history.commit('CREATE TABLE t (v)')
  for (let i = 0; i < 5; i++) await history.commit('INSERT INTO t VALUES (1)', 48 * 3600_000)
  await scheduler.compact(1)
  await scheduler.snapshot()
  await scheduler.enforceRetention()
  assert.equal((await collect(client.list(0))).length, 6)
  assert.equal((await collect(client.list(9))).length, 2)
  assert.ok(!log.some((line) => line.startsWith('delete')))
})

test('an idle database causes no request to the store, even when compaction tasks are due', async (t) => {
  const { client, history, scheduler, log } = await fixture(t, {
    levels: [1, 2, 3].map((level) => ({ level, interval: 20 })),
    snapshot: { interval: 20, retention: 3600_000 },
    l0RetentionCheckInterval: 20,
  })
  history.time = Date.now() - 1000
  await history.commit('CREATE TABLE t (v)', 0)
  await history.commit('INSERT INTO t VALUES (1)', 0)
  scheduler.start()
  await until('all levels are made', () => log.includes('L3 2-2'))
  await scheduler.ready()
  // Whatever is due now and in the next windows.
  for (let window = 0; window < 3; window++) {
    const before = Date.now()
    await until('a window passes', () => nextWindow(before, 20) < Date.now())
  }
  const { LIST, GET, PUT, DELETE } = client.stats()
  const requests = () => {
    const now = client.stats()
    return now.LIST.requests + now.GET.requests + now.PUT.requests + now.DELETE.requests
  }
  const before = LIST.requests + GET.requests + PUT.requests + DELETE.requests
  const began = Date.now()
  await until('ten windows pass', () => Date.now() > began + 200)
  assert.equal(requests(), before)
  await history.commit('INSERT INTO t VALUES (2)', 0)
  await until('it continues', () => log.includes('L3 3-3'))
})

test('retention lists the store before it deletes files, because another program may have deleted the snapshot that makes these files unnecessary', async (t) => {
  const snapshot = { interval: 20, retention: 1 }
  const settings = { levels: [{ level: 1, interval: 3600_000 }], snapshot, l0RetentionCheckInterval: 3600_000 }
  const { client, history, scheduler, log, errors, file } = await fixture(t, settings)
  history.time = Date.now() - 3600_000
  for (const sql of ['CREATE TABLE t (v)', 'INSERT INTO t VALUES (1)']) {
    await history.commit(sql, 0)
    await createSnapshot(client)
  }
  assert.deepEqual(
    (await collect(client.list(9))).map(({ maxTxid }) => maxTxid),
    [1, 2],
  )
  // As restores choose: from the first snapshot and level 0 it is still all there.
  rmSync(file(9, 1, 2))
  scheduler.start()
  await until(
    'the snapshot is written again, or the failure reported',
    () => log.includes('L9 1-2') || errors.length > 0,
  )
  assert.deepEqual([log.find((line) => line.includes('L9')), errors], ['L9 1-2', []])
})
