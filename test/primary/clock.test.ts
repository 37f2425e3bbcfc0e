import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { identifyStaged } from '../../src/levels/ltx-identity.js'
import { Replicator } from '../../src/primary/replicator.js'
import { PrimaryDatabase } from '../../src/primary/sync/primary-database.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { assertReplicaEquals } from './restored.js'

test('if the clock steps back, no new file gets an earlier time than the previous file, even after a restart', async (t) => {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (a)')
  t.mock.timers.enable({ apis: ['Date'], now: 1_900_000_000_000 })
  const timestamps: number[] = []
  for (const now of [1_900_000_000_000, 1_900_000_060_000, 1_899_999_000_000, 1_800_000_000_000, 1_900_000_070_000]) {
    t.mock.timers.setTime(now)
    app.exec('INSERT INTO t VALUES (1)')
    const primary = await PrimaryDatabase.open(file)
    const txid = await primary.sync()
    timestamps.push((await identifyStaged(primary.staging.pathOf(txid))).timestamp)
    await primary.close()
  }
  const back = 1_900_000_060_000
  assert.deepEqual(timestamps, [1_900_000_000_000, back, back, back, 1_900_000_070_000])
})

for (const [what, step] of [
  ['an hour back', -3_600_000],
  ['a day ahead', 86_400_000],
] as const) {
  test(`if the clock steps ${what} and returns, uploads continue, and the log reports that the clock is behind`, async (t) => {
    const dir = temporaryDirectory(t)
    const file = path.join(dir, 'app.db')
    const app = new Database(file)
    cleanUp(t, () => app.close())
    app.pragma('journal_mode = wal')
    app.exec('CREATE TABLE t (a)')
    const start = Date.now()
    t.mock.timers.enable({ apis: ['Date'], now: start })
    const notices: string[] = []
    const client = await openReplicaClient(`file://${dir}/replica`)
    const replicator = new Replicator(file, client, { monitorInterval: 10, syncInterval: 10 }, (name, event) => {
      if (name === 'notice') notices.push((event as { reason: string }).reason)
    })
    cleanUp(t, () => replicator.abandon())
    replicator.start()
    for (const now of [start, start + step, start]) {
      t.mock.timers.setTime(now)
      app.exec('INSERT INTO t VALUES (1)')
      const { txid } = replicator.status()
      // By the number of polls, as the clock stands still.
      for (let polls = 0; ; polls++) {
        const { txid: now, replicaTxid } = replicator.status()
        if (now > txid && replicaTxid === now) break
        assert.ok(polls < 4000, 'the commit is not uploaded')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    assert.equal(notices.length, 1)
    assert.match(notices[0]!, /^the clock is (1h|24h) behind the timestamp of the newest file$/)
    await assertReplicaEquals(`file://${dir}/replica`, file)
  })
}
