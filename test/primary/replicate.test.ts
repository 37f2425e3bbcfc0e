import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import type { PrimaryEvents } from '../../src/primary/events.js'
import { replicate } from '../../src/primary/replicate.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { assertReplicaEquals } from './restored.js'

function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); CREATE INDEX i ON t (v)')
  const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(?))')
  const rows = app.transaction((count: number, size: number) => {
    for (let i = 0; i < count; i++) insert.run(size)
  })
  return { dir, file, app, rows, url: `file://${dir}/replica` }
}

test('replicateOnce uploads all commits, and a second call uploads only new commits', async (t) => {
  const { file, url, rows } = fixture(t)
  rows(500, 300)
  assert.deepEqual(await replicateOnce(file, url), { txid: 1, replicaTxid: 1 })
  assert.equal(await assertReplicaEquals(url, file), 1)
  assert.deepEqual(await replicateOnce(file, url), { txid: 1, replicaTxid: 1 })
  rows(3, 300)
  const events: PrimaryEvents['sync'][] = []
  const observe = (name: string, event: unknown) => name === 'sync' && events.push(event as PrimaryEvents['sync'])
  assert.deepEqual(await replicateOnce(file, url, { observe }), { txid: 2, replicaTxid: 2 })
  assert.deepEqual(
    events.map((event) => event.snapshotReason),
    [undefined],
  )
  assert.equal(await assertReplicaEquals(url, file), 2)
})

test('sync({ wait }) in the application’s process resolves when the last commit is in the store', async (t) => {
  const { file, url, rows } = fixture(t)
  const replication = await replicate(file, url, { monitorInterval: 60_000 })
  for (let round = 1; round <= 5; round++) {
    rows(50, 2000)
    const { txid, replicaTxid } = await replication.sync({ wait: true })
    assert.equal(txid, replicaTxid)
    assert.equal(await assertReplicaEquals(url, file), txid)
  }
  rows(10, 10)
  await replication.close()
  await assertReplicaEquals(url, file)
})

test('the handle that replicate() returns replicates in the background, checkpoints the WAL and emits events', async (t) => {
  const { file, url, rows } = fixture(t)
  const replication = await replicate(file, url, { monitorInterval: 10, syncInterval: 10, minCheckpointPages: 100 })
  const seen: string[] = []
  for (const name of ['sync', 'upload', 'checkpoint'] as const) replication.on(name, () => seen.push(name))
  for (let i = 0; i < 30; i++) {
    rows(20, 1000)
    const before = seen.length
    await until('something was seen', () => seen.length > before)
  }
  await until('a checkpoint was seen', () => seen.includes('checkpoint'))
  await until('the replica has everything', async () => {
    const { txid, replicaTxid, state } = await replication.status()
    return state === 'replicating' && txid === replicaTxid && seen.includes('upload')
  })
  await replication.close()
  await assertReplicaEquals(url, file)
  await assert.rejects(replication.sync(), (error) => isLitestreamError(error, 'WORKER_EXITED'))
})

test('replicate() waits for a database that does not exist yet', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'later.db')
  const replication = await replicate(file, `file://${dir}/replica`, { monitorInterval: 10, syncInterval: 10 })
  assert.equal((await replication.status()).state, 'waiting')
  await assert.rejects(replication.sync(), (error) => isLitestreamError(error, 'NOT_FOUND'))
  const app = new Database(file)
  app.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  await until('it is replicated', async () => (await replication.status()).replicaTxid === 1)
  app.close()
  await replication.close()
  await assertReplicaEquals(`file://${dir}/replica`, file)
})
