import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { smallFileSystem } from '../../support/small-file-system.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { App, assertAppState } from '../app.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

const snapshots = (primary: PrimaryChild) =>
  primary.of('sync').flatMap((event) => (event.snapshotReason === undefined ? [] : [event.snapshotReason]))

test('while the store is down, commits are staged and the WAL stays bounded, and afterwards all files are uploaded in order', async (t) => {
  const dir = temporaryDirectory(t)
  const replica = path.join(dir, 'replica')
  const url = `file://${replica}`
  const app = new App(t, path.join(dir, 'app.db'))
  await app.run(5)
  let primary = new PrimaryChild(t, app.file, url, { minCheckpointPages: 50 })
  await primary.sync()
  // A file replaces the level's directory: no user can write there.
  const level0 = path.join(replica, 'ltx', '0')
  const kept = `${level0}.kept`
  execFileSync('mv', [level0, kept])
  writeFileSync(level0, '')
  app.start({ pause: 1 })
  await until('uploads fail', () => primary.of('error').some((event) => event.operation === 'upload'))
  const before = primary.of('checkpoint').length
  await until('it continues to checkpoint', () => primary.of('checkpoint').length > before + 5)
  assert.ok(statSync(`${app.file}-wal`).size < 20 * 1024 * 1024)
  // Killed during the outage: staged files are not lost.
  await primary.kill()
  // The retry interval doubles, so the outage that this primary sees must be short, also on a busy
  // machine.
  await app.stop()
  primary = new PrimaryChild(t, app.file, url, { minCheckpointPages: 50 })
  await primary.waitFor('open')
  // In one step: a primary that lists while a level is missing would see another replica.
  symlinkSync(kept, `${level0}.back`)
  renameSync(`${level0}.back`, level0)
  await primary.waitFor('upload')
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  await assertReplicaEquals(url, app.file)
})

test('while the primary is paused, the application continues, and afterwards no commit is missing and no snapshot is needed', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const app = new App(t, path.join(dir, 'app.db'))
  const primary = new PrimaryChild(t, app.file, url)
  app.start({ autoCheckpoint: 5, rough: true })
  await primary.waitFor('upload', 5)
  primary.signal('SIGSTOP')
  const paused = app.last
  await until('the application has committed on', () => app.last > paused + 300)
  primary.signal('SIGCONT')
  await until('the primary continues', () => app.last > paused + 400)
  await app.stop()
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  assert.deepEqual(snapshots(primary), ['first sync'])
  await assertReplicaEquals(url, app.file)
})

test('a full disk is reported and does not affect the application, and replication continues when the disk has space again', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const meta = path.join(dir, 'meta')
  const disk = smallFileSystem(t, meta, '1m')
  assert.ok(disk, 'a disk of our own needs root, as the servers of the tests do')
  const file = path.join(dir, 'app.db')
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v BLOB)')
  const primary = new PrimaryChild(t, file, url, { metaPath: meta })
  try {
    await primary.sync()
    app.exec('INSERT INTO t VALUES (randomblob(3000000))')
    await until('it says so', () =>
      primary.of('error').some(({ error }) => (error as { code: string }).code === 'DISK_FULL'),
    )
    app.exec('INSERT INTO t VALUES (randomblob(3000000))')
    disk.grow('64m')
    await primary.waitFor('recover')
    await primary.sync()
    assert.equal(await primary.stop(), 0)
  } finally {
    await primary.kill()
  }
  assert.deepEqual(snapshots(primary), ['first sync'])
  await assertReplicaEquals(url, file)
})

test('if the database is deleted during replication, the replica keeps its last commit, and a new database is replicated with a snapshot', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const app = new App(t, path.join(dir, 'app.db'))
  const primary = new PrimaryChild(t, app.file, url)
  await app.run(20)
  await primary.sync()
  const db = new Database(app.file)
  db.exec('UPDATE state SET n = n + 1')
  const last = app.last + 1
  for (const suffix of ['', '-wal', '-shm']) rmSync(app.file + suffix)
  db.close()
  await until('it says so', () =>
    primary.of('error').some(({ error }) => (error as { code: string }).code === 'DATABASE_REPLACED'),
  )
  await until('the replica has the last commit', async () => {
    const { length } = primary.of('upload')
    return length > 0 && length === primary.of('sync').length
  })
  const output = path.join(dir, 'restored.db')
  const client = await openReplicaClient(url)
  await restore(client, { output })
  await client.close()
  assert.equal(assertAppState(output), last)
  await app.run(7)
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  await assertReplicaEquals(url, app.file)
  assert.deepEqual(snapshots(primary), ['first sync', 'the database file has another identity'])
})

test('if a rename replaces the database during replication, the primary uploads a snapshot of the new database', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const app = new App(t, path.join(dir, 'app.db'))
  const primary = new PrimaryChild(t, app.file, url)
  await app.run(20)
  await primary.sync()
  const other = new App(t, path.join(dir, 'other.db'))
  await other.run(5)
  for (const suffix of ['-wal', '-shm']) rmSync(app.file + suffix, { force: true })
  execFileSync('mv', [other.file, app.file])
  await app.run(3)
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  await assertReplicaEquals(url, app.file)
})
