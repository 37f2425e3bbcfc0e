// The scheduler while the wall clock is set. The test controls the monotonic clock, so that hours
// pass instantly.
import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { CompactionScheduler } from '../../src/compaction/scheduler.js'
import { DEFAULT_COMPACTION_SETTINGS } from '../../src/compaction/settings.js'
import { KnownLevels } from '../../src/levels/known-levels.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const SECOND = 1000
const HOUR = 3600 * SECOND
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 10, 12, 0, 5)

class CountedLevels extends KnownLevels {
  lists = 0

  override async *list(...args: Parameters<KnownLevels['list']>): ReturnType<KnownLevels['list']> {
    this.lists++
    yield* super.list(...args)
  }
}

async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const time = { wall: START, monotonic: 0 }
  const clock = { now: () => time.wall, monotonic: () => time.monotonic }
  const client = new CountedLevels(await openReplicaClient(`file://${dir}/replica`), { now: clock.now })
  cleanUp(t, () => client.close())
  const history = new History(path.join(dir, 'app.db'), client)
  cleanUp(t, () => history.close())
  const log: string[] = []
  const scheduler = new CompactionScheduler(client, DEFAULT_COMPACTION_SETTINGS, {
    clock,
    observer: {
      written: ({ level, file }) => log.push(`L${level} ${file.minTxid}-${file.maxTxid}`),
      deleted: ({ level, files }) => log.push(`delete L${level} ${files.map(({ maxTxid }) => maxTxid)}`),
      error: ({ task, error }) => log.push(`${task}: ${(error as Error).message}`),
    },
  })
  cleanUp(t, () => scheduler.stop())
  history.time = START
  await history.commit('CREATE TABLE t (v)', 0)
  /** A commit with the time that a primary gives it: never earlier than the previous one. */
  const commit = async () => {
    history.time = Math.max(history.time, time.wall)
    await history.commit('INSERT INTO t VALUES (1)', 0)
  }
  const pass = (ms: number) => {
    time.wall += ms
    time.monotonic += ms
  }
  /** Runs the scheduler's tasks that are due. */
  const turn = async () => {
    log.length = 0
    await scheduler.runDue()
    return [...log]
  }
  const at = async (level: number) => (await collect(client.list(level))).map(({ maxTxid }) => maxTxid)
  return { time, pass, commit, turn, at, history, scheduler, client }
}

test('a clock that is set back by an hour delays no compaction task', async (t) => {
  const { time, pass, commit, turn } = await fixture(t)
  await commit()
  assert.deepEqual(await turn(), ['L9 1-1', 'L1 2-2', 'L2 2-2', 'L3 2-2'])
  time.wall -= HOUR
  await commit()
  pass(30 * SECOND)
  assert.deepEqual(await turn(), ['L1 3-3'])
  pass(300 * SECOND)
  assert.ok((await turn()).includes('L2 3-3'))
})

test('a clock that is temporarily a day ahead does not delay later compaction tasks, and deletes no file', async (t) => {
  const { time, pass, commit, turn, at } = await fixture(t)
  await commit()
  await turn()
  pass(HOUR)
  await commit()
  await turn()
  const snapshots = await at(9)
  time.wall += DAY
  for (let i = 0; i < 4; i++) {
    await commit()
    pass(30 * SECOND)
    const done = await turn()
    assert.ok(!done.some((line) => line.startsWith('delete L9') || line.startsWith('delete L1')), `${done}`)
  }
  assert.deepEqual((await at(9)).slice(0, snapshots.length), snapshots)
  time.wall -= DAY
  await commit()
  pass(30 * SECOND)
  assert.ok((await turn()).some((line) => line.startsWith('L1')))
  // The times of these files stay a day ahead: their retention counts from when they were first
  // seen.
  const before = (await at(0)).length
  pass(600 * SECOND)
  await turn()
  assert.ok((await at(0)).length < before)
})

test('if the clock stays a day ahead, compaction deletes snapshots only when their retention has passed', async (t) => {
  const { time, pass, commit, turn, at } = await fixture(t)
  await commit()
  await turn()
  time.wall += 3 * DAY
  for (let hours = 0; hours < 23; hours++) {
    await commit()
    pass(HOUR)
    await turn()
    assert.equal((await at(9))[0], 1, `after ${hours} hours`)
  }
  for (let hours = 0; hours < 30; hours++) {
    await commit()
    pass(HOUR)
    await turn()
  }
  assert.ok((await at(9))[0]! > 1)
})

test('the compaction tasks of an idle replica run once an hour, and retention runs when a file reaches the retention age', async (t) => {
  const { pass, commit, turn, client } = await fixture(t)
  await commit()
  await turn()
  await commit()
  const done: string[] = []
  const hour = async (seconds: number) => {
    const lists = client.lists
    for (let i = 0; i < 3600; i += seconds) {
      pass(seconds * SECOND)
      for (const what of await turn()) done.push(`${i + seconds} s: ${what}`)
    }
    return client.lists - lists
  }
  await hour(5)
  // Windows are multiples of the interval in UTC; the clock starts five seconds after one.
  assert.deepEqual(done.splice(0), ['25 s: L1 3-3', '295 s: L2 3-3', '305 s: delete L0 1,2', '3595 s: L3 3-3'])
  await hour(60)
  assert.deepEqual(done, [])
  const idle = await hour(5)
  assert.ok(idle <= 40, `${idle} look-ups of a level in an hour without a change`)
  await commit()
  await hour(5)
  assert.deepEqual(done.slice(0, 2), ['10 s: delete L0 3', '25 s: L1 4-4'])
})
