import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { CompactionScheduler } from '../../src/compaction/scheduler.js'
import { DEFAULT_COMPACTION_SETTINGS } from '../../src/compaction/settings.js'
import { listLevels } from '../../src/levels/plan.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { History, hashFile } from '../support/history.js'
import { askOfficialVfs } from '../support/official-vfs.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const QUESTION = 'SELECT count(*), sum(length(v)), sum(id * length(v)) FROM t; PRAGMA integrity_check;'

test('the official VFS and restore read every TXID of a replica after two days of compaction, snapshots and retention', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  const scheduler = new CompactionScheduler(client, DEFAULT_COMPACTION_SETTINGS, {
    clock: { now: () => history.time + 1, monotonic: () => history.time },
  })

  const layout = async () => (await listLevels(client)).map((files) => files.length)
  const agree = async (stage: string) => {
    const own = history.db
      .prepare('SELECT count(*), sum(length(v)), sum(id * length(v)) FROM t')
      .raw()
      .get() as number[]
    assert.equal(await askOfficialVfs(url, QUESTION, path.join(dir, 'vfs.log')), `${own.join('|')}\nok`, stage)
    const output = path.join(dir, 'restored.db')
    await restore(client, { output, force: true, integrityCheck: 'none' })
    assert.equal(hashFile(output), history.hashes.get(history.txid), stage)
  }
  const write = async (n: number, advance: number) => {
    for (let i = 0; i < n; i++) {
      const sql = [
        'INSERT INTO t (v) SELECT hex(randomblob(300)) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<50) SELECT * FROM n)',
        "UPDATE t SET v = 'x' || v WHERE id % 11 = abs(random()) % 11",
        // Without a vacuum: the official VFS takes the largest page of its index, not the commit,
        // for a shrunken database's size.
        'DELETE FROM t WHERE id % 5 = abs(random()) % 5',
      ][i % 3]!
      await history.commit(sql, advance)
    }
  }

  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)')
  await agree('the first file')
  await write(6, 2000)
  await agree('level 0')
  await scheduler.compact(1)
  assert.deepEqual(await layout(), [7, 1, 0, 0, 0, 0, 0, 0, 0, 1])
  await agree('level 1 after the base, which became a snapshot')
  await write(6, 2000)
  await scheduler.compact(1)
  await scheduler.compact(2)
  await agree('level 2')
  await write(3, 20 * MINUTE)
  await scheduler.enforceRetention()
  await agree('level 0 cleaned up')
  await scheduler.compact(1)
  await scheduler.compact(2)
  await scheduler.compact(3)
  await agree('level 3')
  await write(3, 9 * HOUR)
  await scheduler.compact(1)
  await agree('the next day')
  await scheduler.snapshot()
  await agree('a snapshot')
  await scheduler.enforceRetention()
  assert.equal((await layout())[9], 1)
  await agree('the first snapshot gone')
  await write(4, 9 * HOUR)
  await scheduler.compact(1)
  await scheduler.compact(2)
  await scheduler.compact(3)
  await scheduler.snapshot()
  await scheduler.enforceRetention()
  await agree('two days later')

  const report = await verifyReplica(client)
  assert.deepEqual(report.faults, [])
  assert.deepEqual([report.restorable?.txid, report.maxTxid], [history.txid, history.txid])
  await scheduler.stop()
})
