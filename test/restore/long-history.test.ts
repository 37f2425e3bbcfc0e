import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { CompactionScheduler } from '../../src/compaction/scheduler.js'
import { DEFAULT_COMPACTION_SETTINGS } from '../../src/compaction/settings.js'
import { listLevels, selectPlan } from '../../src/levels/plan.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { History, hashFile } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const MINUTE = 60_000

/** Numbers that look random and are the same for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

for (const [seed, pageSize] of [
  [1, 512],
  [2, 4096],
] as const) {
  test(`every TXID of a long history for which a restore plan exists is restored unchanged (seed ${seed}, pages of ${pageSize} bytes)`, async (t) => {
    const random = randomOf(seed)
    const dir = temporaryDirectory(t)
    const client = await openReplicaClient(`file://${dir}/replica`)
    const history = new History(path.join(dir, 'app.db'), client, pageSize)
    t.after(() => history.close())
    const scheduler = new CompactionScheduler(client, DEFAULT_COMPACTION_SETTINGS, {
      clock: { now: () => history.time + 1, monotonic: () => history.time },
    })
    const rows = (n: number) => `WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM s WHERE i<${n})`
    await history.commit(
      'CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX av ON a (v); CREATE TABLE b (k PRIMARY KEY, v) WITHOUT ROWID',
    )
    for (let i = 0; i < 90; i++) {
      const sql = [
        `INSERT INTO a (v) ${rows(1 + random(80))} SELECT hex(randomblob(${10 + random(300)})) FROM s`,
        `INSERT OR REPLACE INTO b ${rows(1 + random(60))} SELECT abs(random()) % 500, randomblob(${random(200)}) FROM s`,
        `UPDATE a SET v = hex(randomblob(20)) WHERE id % ${2 + random(20)} = 0`,
        `DELETE FROM a WHERE id % 4 = ${random(4)}; PRAGMA incremental_vacuum(${random(50)})`,
        'DELETE FROM b; PRAGMA incremental_vacuum',
        `CREATE TABLE IF NOT EXISTS c${random(5)} (x); DROP TABLE IF EXISTS c${random(5)}`,
        'VACUUM',
      ][random(7)]!
      await history.commit(sql, 1000 + random(40) * MINUTE)
      if (random(3) === 0) await scheduler.compact(1)
      if (random(6) === 0) await scheduler.compact(2)
      if (random(9) === 0) await scheduler.compact(3)
      if (random(15) === 0) await scheduler.snapshot()
      if (random(10) === 0) await scheduler.enforceRetention()
    }
    const levels = await listLevels(client)
    const output = path.join(dir, 'restored.db')
    const restored: number[] = []
    for (let txid = 1; txid <= history.txid; txid++) {
      if (selectPlan(levels, { txid }).length === 0) {
        await assert.rejects(restore(client, { output, txid, force: true }), { code: 'TXID_NOT_AVAILABLE' })
        continue
      }
      await restore(client, { output, txid, force: true, integrityCheck: 'none' })
      assert.equal(hashFile(output), history.hashes.get(txid), `TXID ${txid}`)
      const now = await restore(client, {
        output,
        timestamp: history.times.get(txid)! + 1,
        force: true,
        integrityCheck: 'none',
      })
      assert.equal(hashFile(output), history.hashes.get(now.txid), `the time of TXID ${txid}`)
      restored.push(txid)
    }
    assert.equal(restored.at(-1), history.txid)
    assert.ok(restored.length > 5, `${restored.length} restored`)
    await scheduler.stop()
  })
}
