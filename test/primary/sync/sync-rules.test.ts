// Rules of a sync that no scenario of the other test files covers.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { listLevel } from '../../../src/compaction/compact.js'
import { createSnapshot } from '../../../src/compaction/snapshot.js'
import { replicate } from '../../../src/primary/replicate.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { contentHashes } from '../../support/content.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { assertReplicaEquals } from '../restored.js'

test('concurrent syncs run one after another, and each commit is in exactly one file', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, url] = [path.join(directory, 'app.db'), pathToFileURL(path.join(directory, 'replica')).href]
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode=wal')
  app.exec('CREATE TABLE t (n INTEGER)')
  // It does nothing in the background during the test.
  const replication = await replicate(file, url, { monitorInterval: 3_600_000, syncInterval: 3_600_000 })
  cleanUp(t, () => replication.close())
  await replication.sync({ wait: true })
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const files = async () => (await listLevel(client, 0, 1, undefined)).map(({ minTxid, maxTxid }) => [minTxid, maxTxid])
  const before = (await files()).length
  for (let n = 1; n <= 3; n++) {
    app.exec(`INSERT INTO t VALUES (${n})`)
    await Promise.all(Array.from({ length: 10 }, () => replication.sync({ wait: true })))
    assert.deepEqual(
      await files(),
      Array.from({ length: before + n }, (_, i) => [i + 1, i + 1]),
    )
  }
  await assertReplicaEquals(url, file)
})

test('uncommitted WAL frames are never written to an LTX file or a snapshot', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, url] = [path.join(directory, 'app.db'), pathToFileURL(path.join(directory, 'replica')).href]
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode=wal')
  app.exec('CREATE TABLE t (v BLOB); INSERT INTO t VALUES (zeroblob(100000))')
  const { replicaTxid } = await replicateOnce(file, url)
  const before = contentHashes(file)
  // More than SQLite keeps in memory: its frames are in the WAL before the commit.
  app.pragma('cache_size=5')
  const walSize = () => statSync(`${file}-wal`).size
  const size = walSize()
  app.exec('BEGIN; UPDATE t SET v = randomblob(300000); INSERT INTO t VALUES (randomblob(300000))')
  assert.ok(walSize() > size + 200_000)
  assert.equal((await replicateOnce(file, url)).replicaTxid, replicaTxid)
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  await createSnapshot(client)
  for (const level of [0, 9]) {
    const output = path.join(directory, `level-${level}.db`)
    if (level === 9) await client.delete(await listLevel(client, 0, 1, undefined))
    await restore(client, { output, integrityCheck: 'full' })
    assert.deepEqual(contentHashes(output), before)
  }
  app.exec('COMMIT')
  await replicateOnce(file, url)
  await assertReplicaEquals(url, file)
})
