import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { PrimaryDatabase } from '../../src/primary/sync/primary-database.js'
import { identifyStaged } from '../../src/primary/upload/ltx-identity.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('the clock steps back: no file is older than the one before it, after a restart neither', async (t) => {
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
