import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../../src/errors.js'
import { KnownLevels } from '../../../src/levels/known-levels.js'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import { PrimaryDatabase } from '../../../src/primary/sync/primary-database.js'
import type { PrimaryOptions } from '../../../src/primary/sync-options.js'
import { Uploader } from '../../../src/primary/upload/uploader.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { App } from '../app.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

async function fixture(t: TestContext, options: Partial<PrimaryOptions> = {}) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const app = new Database(file)
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(?))')
  const checkpoints: PrimaryEvents['checkpoint'][] = []
  const syncs: PrimaryEvents['sync'][] = []
  const primary = await PrimaryDatabase.open(file, { checkpointInterval: 0, ...options }, (name, event) => {
    if (name === 'checkpoint') checkpoints.push(event as PrimaryEvents['checkpoint'])
    if (name === 'sync') syncs.push(event as PrimaryEvents['sync'])
  })
  const client = new KnownLevels(await openReplicaClient(`file://${dir}/replica`))
  const uploader = new Uploader(primary, client, () => {}, { leased: false, onDivergence: 'continue', keepDiverged: 0 })
  t.after(async () => {
    await primary.close()
    await client.close()
    app.close()
  })
  /** Uploads, restores and compares; no file but the first may hold the whole database. */
  const verify = async () => {
    await primary.sync({ checkpoint: false })
    await uploader.run()
    await assertReplicaEquals(`file://${dir}/replica`, file)
    assert.deepEqual(
      syncs.flatMap((sync) => sync.snapshotReason ?? []),
      ['first sync'],
    )
  }
  const write = (pages: number) => {
    app.transaction(() => {
      for (let i = 0; i < pages; i++) insert.run(4000)
    })()
  }
  return { file, app, primary, checkpoints, write, verify }
}

const walSizeOf = (file: string) => statSync(`${file}-wal`).size

test('when 1000 WAL pages are pending, one passive checkpoint runs once, and adds one TXID without a snapshot', async (t) => {
  const { primary, checkpoints, write, verify } = await fixture(t)
  await primary.sync()
  write(1100)
  assert.equal(await primary.sync(), 3)
  assert.deepEqual(
    checkpoints.map(({ mode, result }) => [mode, result]),
    [['PASSIVE', 'restarted']],
  )
  for (let i = 0; i < 20; i++) assert.equal(await primary.sync(), 3)
  assert.equal(checkpoints.length, 1)
  await verify()
})

test('at each checkpoint interval, one checkpoint runs after a commit, and no checkpoint runs while the database is idle', async (t) => {
  const { primary, checkpoints, write, verify } = await fixture(t, { checkpointInterval: 1 })
  for (let i = 0; i < 5; i++) await primary.sync()
  const after = checkpoints.length
  const writes = primary.ownWrites
  write(1)
  for (let i = 0; i < 10; i++) await primary.sync()
  assert.equal(checkpoints.length, after + 1)
  // Each own write can fail a transaction of the application that reads and then writes.
  assert.equal(primary.ownWrites, writes + 1)
  await verify()
})

test('the primary truncates a -wal that exceeds the truncate threshold, and writes no snapshot', async (t) => {
  const { file, primary, checkpoints, write, verify } = await fixture(t, {
    minCheckpointPages: 1e9,
    truncatePages: 500,
  })
  await primary.sync()
  write(600)
  assert.ok(walSizeOf(file) > 600 * 4096)
  await primary.sync()
  assert.deepEqual(
    checkpoints.map(({ mode, result }) => [mode, result]),
    [['TRUNCATE', 'restarted']],
  )
  assert.ok(walSizeOf(file) < 10 * 4096)
  await verify()
})

test('while a reader blocks checkpoints, the primary attempts few checkpoints, and after the reader ends, a checkpoint completes', async (t) => {
  const { file, primary, checkpoints, write, verify } = await fixture(t, { minCheckpointPages: 50, busyTimeout: 50 })
  await primary.sync()
  write(10)
  const reader = new Database(file, { readonly: true })
  reader.exec('BEGIN')
  const before = reader.prepare('SELECT count(*) FROM t').pluck().get()
  for (let i = 0; i < 20; i++) {
    write(10)
    await primary.sync()
  }
  assert.ok(checkpoints.length >= 1 && checkpoints.length <= 6, `${checkpoints.length} checkpoints`)
  assert.ok(checkpoints.every(({ result }) => result === 'partial'))
  assert.equal(reader.prepare('SELECT count(*) FROM t').pluck().get(), before)
  reader.exec('COMMIT')
  reader.close()
  assert.equal((await primary.checkpoint('TRUNCATE')).result, 'restarted')
  await verify()
})

test('while a writer holds the write lock, a checkpoint returns busy, and the sync succeeds', async (t) => {
  const { app, primary, write, verify } = await fixture(t, { busyTimeout: 20 })
  await primary.sync()
  write(10)
  app.exec('BEGIN IMMEDIATE; INSERT INTO t (v) VALUES (1)')
  assert.equal((await primary.checkpoint()).result, 'busy')
  app.exec('COMMIT')
  assert.equal((await primary.checkpoint()).result, 'restarted')
  await verify()
})

test('if an application runs checkpoints in every mode, no commit is lost, and no snapshot is needed', async (t) => {
  const { app, primary, write, verify } = await fixture(t, { minCheckpointPages: 40, busyTimeout: 20 })
  app.pragma('busy_timeout = 5')
  await primary.sync()
  for (let i = 0; i < 60; i++) {
    write(1 + (i % 7))
    app.pragma(`wal_checkpoint(${['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'][i % 4]})`)
    if (i % 3 === 0) await primary.sync()
  }
  await verify()
})

test('the WAL stays bounded while a writer never pauses', async (t) => {
  const dir = temporaryDirectory(t)
  const app = new App(t, path.join(dir, 'app.db'))
  const primary = new PrimaryChild(t, app.file, `file://${dir}/replica`, { minCheckpointPages: 100 })
  app.start({ autoCheckpoint: 0 })
  await primary.waitFor('checkpoint', 10)
  assert.ok(walSizeOf(app.file) < 64 * 1024 * 1024)
  await app.stop()
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  assert.deepEqual(
    primary.of('sync').flatMap((event) => event.snapshotReason ?? []),
    ['first sync'],
  )
  await assertReplicaEquals(`file://${dir}/replica`, app.file)
})

test('each chunk of a large sync ends at a commit, and the next chunk begins at this commit', async (t) => {
  const { primary, app, verify } = await fixture(t, { maxSyncWalBytes: 30_000, minCheckpointPages: 1e9 })
  await primary.sync()
  const txid = primary.txid
  for (let i = 0; i < 40; i++) app.exec('INSERT INTO t (v) VALUES (randomblob(5000))')
  assert.ok((await primary.sync()) > txid + 5)
  await verify()
})

test('the primary refuses a file that is not an SQLite database, and does not change the file', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'notes.txt')
  writeFileSync(file, 'not a database, only a text that is long enough to be read as the header of one'.repeat(20))
  const before = readFileSync(file)
  await assert.rejects(PrimaryDatabase.open(file), (error: Error & { hint?: string }) => {
    assert.match(error.message, /notes\.txt: not an SQLite database/)
    assert.ok(error.hint)
    return isLitestreamError(error, 'DATABASE_INVALID')
  })
  assert.deepEqual(readFileSync(file), before)
  await assert.rejects(PrimaryDatabase.open(path.join(dir, 'none.db')), (error) =>
    isLitestreamError(error, 'NOT_FOUND'),
  )
  await assert.rejects(PrimaryDatabase.open(dir), { code: 'DATABASE_INVALID', message: `${dir} is a directory` })
})
