import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { verifyReplica } from '../../../src/levels/verify-replica.js'
import { formatFileName } from '../../../src/ltx/file-name.js'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { assertReplicaEquals } from '../restored.js'

/**
 * A database with three files in its replica, then what the scenario does to the replica, then a
 * commit and another run.
 */
async function restarted(t: TestContext, change: (place: { dir: string; level0: string; meta: string }) => void) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const write = () => app.exec('INSERT INTO t (v) VALUES (randomblob(3000))')
  for (let i = 0; i < 3; i++) {
    write()
    await replicateOnce(file, url)
  }
  const level0 = path.join(dir, 'replica', 'ltx', '0')
  change({ dir, level0, meta: path.join(dir, '.app.db-litestream') })
  write()
  const rejoined: string[] = []
  const snapshots: (string | undefined)[] = []
  const result = await replicateOnce(file, url, {
    observe: (name, event) => {
      if (name === 'rejoin') rejoined.push((event as PrimaryEvents['rejoin']).reason)
      if (name === 'sync') snapshots.push((event as PrimaryEvents['sync']).snapshotReason)
    },
  })
  assert.equal(result.txid, result.replicaTxid)
  await assertReplicaEquals(url, file)
  write()
  await replicateOnce(file, url)
  await assertReplicaEquals(url, file)
  const client = await openReplicaClient(url)
  const { faults } = await verifyReplica(client)
  await client.close()
  return { txid: result.txid, rejoined, snapshots, faults, dir, url, file }
}

const files = (directory: string) => readdirSync(directory).sort()

test('if the replica is unchanged after a restart, replication continues without a snapshot', async (t) => {
  const { txid, rejoined, snapshots, dir } = await restarted(t, () => {})
  assert.deepEqual([txid, rejoined, snapshots], [4, [], [undefined]])
  // A replica in the same file system costs no second copy.
  const inode = (level: string) => statSync(path.join(dir, level, formatFileName(txid, txid))).ino
  assert.equal(inode('replica/ltx/0'), inode('.app.db-litestream/ltx/0'))
})

test('if the replica is behind and the missing files are still staged, the primary uploads the staged files', async (t) => {
  const { txid, rejoined, snapshots, faults } = await restarted(t, ({ level0 }) => {
    for (const name of files(level0).slice(1)) rmSync(path.join(level0, name))
  })
  assert.deepEqual([txid, rejoined, snapshots, faults], [4, [], [undefined], []])
})

test('if the replica is behind and the staged files are gone, the primary writes a snapshot with a later TXID than the replica', async (t) => {
  const { txid, rejoined, faults } = await restarted(t, ({ level0, meta }) => {
    for (const name of files(level0).slice(1)) rmSync(path.join(level0, name))
    for (const name of files(path.join(meta, 'ltx', '0')).slice(1)) rmSync(path.join(meta, 'ltx', '0', name))
  })
  assert.deepEqual([txid, rejoined, faults], [2, ['staged files are missing'], []])
})

test('if the replica is empty, the primary uploads the staged files if none was lost, and otherwise a snapshot', async (t) => {
  await t.test(
    'if the replica is empty and no staged file was lost, the primary uploads the staged files again',
    async (t) => {
      const { txid, rejoined } = await restarted(t, ({ dir }) => rmSync(path.join(dir, 'replica'), { recursive: true }))
      assert.deepEqual([txid, rejoined], [4, []])
    },
  )
  await t.test('if the replica is empty and staged files were lost, the primary uploads a snapshot', async (t) => {
    const { txid, rejoined } = await restarted(t, ({ dir, meta }) => {
      rmSync(path.join(dir, 'replica'), { recursive: true })
      rmSync(path.join(meta, 'ltx', '0', files(path.join(meta, 'ltx', '0'))[0]!))
    })
    assert.deepEqual([txid, rejoined], [1, ['the replica is empty']])
  })
})

test('if the replica is ahead of a restored database, the primary writes a snapshot with a later TXID than the replica', async (t) => {
  const { txid, rejoined, faults } = await restarted(t, ({ meta, level0 }) => {
    rmSync(meta, { recursive: true })
    mkdirSync(meta)
    assert.equal(files(level0).length, 3)
  })
  assert.deepEqual([txid, rejoined, faults], [4, ['the files in the replica were written before the state file'], []])
})

test('if the replica’s files belong to another database, the primary writes a snapshot with a later TXID than the replica', async (t) => {
  const other = await restarted(t, () => {})
  const { txid, rejoined, faults } = await restarted(t, ({ dir }) => {
    rmSync(path.join(dir, 'replica'), { recursive: true })
    cpSync(path.join(other.dir, 'replica'), path.join(dir, 'replica'), { recursive: true })
    for (const name of files(path.join(dir, 'replica/ltx/0')).slice(3)) rmSync(path.join(dir, 'replica/ltx/0', name))
  })
  assert.deepEqual(
    [txid, rejoined, faults],
    [4, ['the replica has files that do not belong to the history of this database'], []],
  )
})

test('if a file in the middle of the replica is missing, a snapshot of the replica bridges the gap', async (t) => {
  const { txid, rejoined, url } = await restarted(t, ({ level0 }) => rmSync(path.join(level0, files(level0)[1]!)))
  assert.deepEqual([txid, rejoined], [4, ['files are missing in the replica']])
  const client = await openReplicaClient(url)
  for await (const file of client.list(9)) assert.deepEqual([file.minTxid, file.maxTxid], [1, 4])
  await client.close()
})

test('if a database is restored from a replica and replicated to this replica again, the replica has the new commits', async (t) => {
  const { dir, url, file } = await restarted(t, () => {})
  const output = path.join(dir, 'elsewhere', 'app.db')
  const client = await openReplicaClient(url)
  const { txid } = await restore(client, { output })
  await client.close()
  const app = new Database(output)
  app.exec('INSERT INTO t (v) VALUES (1)')
  app.close()
  assert.equal((await replicateOnce(output, url)).txid, txid + 1)
  await assertReplicaEquals(url, output)
  assert.notEqual(file, output)
})
