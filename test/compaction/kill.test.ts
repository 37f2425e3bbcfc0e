import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { compact } from '../../src/compaction/compact.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { History, hashFile } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

function child(...args: string[]): ChildProcess {
  const [script, ...rest] = args
  return spawn(process.execPath, [path.join(import.meta.dirname, script!), ...rest], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function kill(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null) return
  const gone = once(process, 'exit')
  process.kill('SIGKILL')
  await gone
}

test('if compaction or retention is killed at any moment, the replica can be restored and continued', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  await history.commit(
    'INSERT INTO t (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<500) SELECT randomblob(2000) FROM n',
  )
  const output = path.join(dir, 'restored.db')
  for (let round = 0; round < 12; round++) {
    const compactor = child('compact-child.js', url)
    await once(compactor.stdout!, 'data')
    for (let i = 0; i < 4; i++)
      await history.commit(`UPDATE t SET v = randomblob(2000) WHERE id % 20 = ${(round * 4 + i) % 20}`)
    await delay((round * 7) % 23)
    await kill(compactor)
    const report = await verifyReplica(client)
    assert.deepEqual(report.faults, [], `round ${round}`)
    assert.equal(report.restorable?.txid, history.txid)
    await restore(client, { output, force: true, integrityCheck: 'none' })
    assert.equal(hashFile(output), history.hashes.get(history.txid))
  }
  // The next process completes unfinished work.
  for (const level of [1, 2, 3]) await compact(client, { level })
  await createSnapshot(client)
  const report = await verifyReplica(client)
  assert.deepEqual(report.faults, [])
  for (const level of [1, 2, 3, 9]) assert.equal(report.levels[level]!.maxTxid, history.txid)
})

test('a restore that is killed at any moment leaves no database or a complete database, and does not block the next restore', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const client = await openReplicaClient(url)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  await history.commit(
    'INSERT INTO t (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<5000) SELECT randomblob(3000) FROM n',
  )
  const outcomes = new Set<boolean>()
  for (let round = 0; round < 10; round++) {
    const output = path.join(dir, `out-${round}`, 'app.db')
    const restoring = child('../restore/restore-child.js', url, output)
    // The first rounds die among the pages, the last ones in the check, or after it.
    if (round < 9) await once(restoring.stdout!, 'data')
    else await once(restoring, 'exit')
    await delay(round * 4)
    await kill(restoring)
    outcomes.add(existsSync(output))
    if (existsSync(output)) assert.equal(hashFile(output), history.hashes.get(2))
    else await restore(client, { output })
    assert.deepEqual(readdirSync(path.dirname(output)), ['app.db'])
    assert.equal(hashFile(output), history.hashes.get(2))
  }
  assert.equal(outcomes.size, 2, 'some restores were killed, one was not')
})
