// Other programs remove, replace or overwrite the files of a database during replication. After
// each of these the replica equals the database without a restart, and the primary has reported the
// event.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import { replicate } from '../../../src/primary/replicate.js'
import type { PrimaryOptions } from '../../../src/primary/sync-options.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { contentHashes, hashesOf } from '../../support/content.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { App, assertAppState } from '../app.js'
import { PrimaryChild } from '../primary-child.js'
import { assertReplicaEquals } from '../restored.js'

const linux = process.platform === 'linux'

/** Runs SQL in a process that closes the database afterwards. */
function sql(file: string, ...statements: string[]): void {
  const script = new URL('../sql-process.js', import.meta.url).pathname
  const run = spawnSync(process.execPath, [script, file, ...statements], { encoding: 'utf8' })
  assert.deepEqual([run.status, run.signal], [0, null], run.stderr)
}

async function fixture(t: TestContext, options: Partial<PrimaryOptions> = {}) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  sql(file, 'PRAGMA journal_mode = wal', 'CREATE TABLE t (v BLOB)', 'INSERT INTO t VALUES (randomblob(20000))')
  const primary = new PrimaryChild(t, file, url, options)
  await primary.sync()
  const codes = (operation: string) =>
    primary
      .of('error')
      .flatMap((event) => (event.operation === operation ? [(event.error as { code: string }).code] : []))
  const reasons = () =>
    primary.of('sync').flatMap(({ snapshotReason }) => (snapshotReason === undefined ? [] : [snapshotReason]))
  /** Makes one more commit in a separate process, and waits until the replica has it. */
  const follows = async () => {
    sql(file, 'INSERT INTO t VALUES (randomblob(300))')
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  const notice = (pattern: RegExp) =>
    until('it says so', () => primary.of('notice').find(({ reason }) => pattern.test(reason as string)))
  /** A copy of the database, which later replaces it. */
  const copy = () => {
    const other = path.join(dir, 'copy.db')
    sql(file, `VACUUM INTO '${other}'`)
    return other
  }
  return { dir, file, url, primary, codes, reasons, follows, notice, copy }
}

test('if the -shm is removed while no application is connected, later commits are replicated', async (t) => {
  const { file, primary, follows, notice } = await fixture(t)
  rmSync(`${file}-shm`)
  for (let i = 0; i < 3; i++) await follows()
  await notice(/app\.db-shm was replaced by another file/)
  assert.equal(await primary.stop(), 0)
})

test('if the -shm is replaced by an empty file or truncated, later commits are replicated', async (t) => {
  const { file, primary, follows } = await fixture(t)
  rmSync(`${file}-shm`)
  writeFileSync(`${file}-shm`, '')
  await follows()
  truncateSync(`${file}-shm`, 0)
  await primary.waitFor('notice', 1)
  await follows()
  assert.equal(await primary.stop(), 0)
})

/** A primary of a database to which an application commits meanwhile. */
async function besideApplication(t: TestContext) {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const app = new App(t, path.join(dir, 'app.db'))
  app.start({ pause: 5 })
  await until('it commits', () => app.last > 5)
  const primary = new PrimaryChild(t, app.file, url)
  await primary.sync()
  return { dir, app, primary, url }
}

test('if the -shm is removed while an application is connected, commits are replicated, and an error lasts until the application disconnects', {
  skip: !linux,
}, async (t) => {
  const { dir, app, primary, url } = await besideApplication(t)
  rmSync(`${app.file}-shm`)
  const error = await until('it says so', () => primary.of('error').find(({ operation }) => operation === 'files'))
  assert.match(
    (error.error as { message: string }).message,
    /app\.db-shm was removed or replaced while process \d+ has/,
  )
  const before = app.last
  await until('the application commits on', () => app.last > before + 20)
  const seen = app.last
  await primary.sync()
  const client = await openReplicaClient(url)
  await restore(client, { output: path.join(dir, 'restored.db'), integrityCheck: 'full' })
  await client.close()
  assert.ok(assertAppState(path.join(dir, 'restored.db')) >= seen)
  await app.stop()
  await until('it is over', () => primary.of('recover').some(({ operation }) => operation === 'files'))
  await app.run(5)
  await primary.sync()
  await assertReplicaEquals(url, app.file)
  assert.equal(await primary.stop(), 0)
})

test('if the -shm is removed while an application in the primary’s process is connected, commits are replicated and an error is reported', {
  skip: !linux,
}, async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (v)')
  const replication = await replicate(file, url, { monitorInterval: 20, syncInterval: 20 })
  cleanUp(t, () => replication.close())
  await replication.sync({ wait: true })
  const errors: PrimaryEvents['error'][] = []
  replication.on('error', (event) => errors.push(event))
  rmSync(`${file}-shm`)
  await until('it says so', () => errors.length > 0)
  assert.equal(errors[0]!.operation, 'files')
  assert.match(errors[0]!.error.message, /app\.db-shm was removed or replaced while this process has the database open/)
  for (let i = 0; i < 3; i++) {
    app.exec(`INSERT INTO t VALUES (${i})`)
    await replication.sync({ wait: true })
    const output = path.join(dir, `restored-${i}.db`)
    const client = await openReplicaClient(url)
    await restore(client, { output })
    await client.close()
    assert.deepEqual(contentHashes(output), hashesOf(app))
  }
})

test('if the -wal is removed while no application is connected, the primary saves the commits through its open file descriptor of the -wal', async (t) => {
  const { file, primary, follows, url, notice } = await fixture(t)
  sql(file, 'CREATE TABLE kept AS SELECT 1 AS n')
  await primary.sync()
  rmSync(`${file}-wal`)
  await notice(/app\.db-wal was replaced by another file/)
  sql(file, 'UPDATE kept SET n = 2')
  await follows()
  await assertReplicaEquals(url, file)
  assert.equal(await primary.stop(), 0)
})

test('if the -wal is removed while an application is connected, commits are replicated, and an error lasts until the application disconnects', {
  skip: !linux,
}, async (t) => {
  const { app, primary, url } = await besideApplication(t)
  rmSync(`${app.file}-wal`)
  await until('it says so', () => primary.of('error').find(({ operation }) => operation === 'files'))
  const before = app.last
  await until('the application commits on', () => app.last > before + 20)
  await app.stop()
  await until('it is over', () => primary.of('recover').some(({ operation }) => operation === 'files'))
  await primary.sync()
  await assertReplicaEquals(url, app.file)
  assert.equal(assertAppState(app.file), app.last, 'nothing that the application committed is lost')
  await app.run(5)
  await primary.sync()
  await assertReplicaEquals(url, app.file)
  assert.equal(await primary.stop(), 0)
})

test('if the -wal and the -shm are removed together, later commits are replicated', async (t) => {
  const { file, primary, follows } = await fixture(t)
  rmSync(`${file}-wal`)
  rmSync(`${file}-shm`)
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the -wal is truncated to zero bytes, later commits are replicated, and a notice is logged', async (t) => {
  const { file, primary, follows, notice } = await fixture(t, { minCheckpointPages: 1 })
  await primary.waitFor('checkpoint')
  truncateSync(`${file}-wal`, 0)
  await notice(/shorter than the wal-index says/)
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the -wal is cut in the middle, the frames before the cut and all later commits are replicated', async (t) => {
  const { file, primary, follows, notice } = await fixture(t)
  sql(file, 'CREATE TABLE kept AS SELECT 1 AS n', 'INSERT INTO t VALUES (randomblob(30000))')
  await primary.sync()
  truncateSync(`${file}-wal`, Math.floor(statSync(`${file}-wal`).size / 2))
  await notice(/shorter than the wal-index says/)
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if another database file is renamed over the replicated database, the primary uploads a snapshot of the other database', async (t) => {
  const { file, dir, primary, follows, notice, reasons } = await fixture(t)
  const other = path.join(dir, 'new.db')
  sql(other, 'CREATE TABLE t (v BLOB)', 'INSERT INTO t VALUES (1)')
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix)
  renameSync(other, file)
  await notice(/the database file was replaced by another file/)
  await follows()
  assert.equal(reasons().at(-1), 'the database file has another identity')
  assert.equal(await primary.stop(), 0)
})

/**
 * A copy of the file while all of the WAL is in it, and then a commit that the copy does not have,
 * checkpointed as well.
 */
async function copyThenCommit({ file, dir, primary }: Awaited<ReturnType<typeof fixture>>): Promise<string> {
  const checkpoint = async () => {
    const before = primary.of('checkpoint').length
    // Of the same size: the frame that restarts the WAL after a checkpoint stays in it, and says
    // how large the database is.
    sql(file, 'UPDATE t SET v = randomblob(20000)')
    await until('all of the WAL is in the file', () =>
      primary
        .of('checkpoint')
        .slice(before)
        .some(({ result }) => result === 'restarted'),
    )
  }
  await checkpoint()
  const other = path.join(dir, 'copy.db')
  copyFileSync(file, other)
  await checkpoint()
  return other
}

test('if a copy is written over the database, the primary uploads a snapshot, even if the modification time is reset to an old time', async (t) => {
  for (const keepsTime of [false, true]) {
    await t.test(keepsTime ? 'with its old time' : 'with a new time', async (t) => {
      const running = await fixture(t, { minCheckpointPages: 1 })
      const { file, primary, follows, notice, reasons } = running
      const other = await copyThenCommit(running)
      copyFileSync(other, file)
      if (keepsTime) utimesSync(file, 1_600_000_000, 1_600_000_000)
      await notice(/a program other than SQLite wrote to the database file/)
      await follows()
      assert.equal(reasons().at(-1), 'a program other than SQLite wrote to the database file')
      assert.equal(await primary.stop(), 0)
    })
  }
})

test('if the database file is truncated, the primary reports an error until the file is restored, and writes no snapshot of zeros', async (t) => {
  const { file, primary, follows, codes, copy } = await fixture(t, { minCheckpointPages: 1 })
  const other = copy()
  await primary.waitFor('checkpoint')
  const uploads = primary.of('upload').length
  truncateSync(file, 8192)
  await until('it is an error', () => codes('sync').includes('DATABASE_INVALID'))
  assert.equal(primary.of('upload').length, uploads)
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
  renameSync(other, file)
  await until('it is over', () => primary.of('recover').some(({ operation }) => operation === 'sync'))
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if the database file is overwritten with other data, the primary reports an error until the file is restored', async (t) => {
  const { file, primary, follows, codes, copy } = await fixture(t, { minCheckpointPages: 1 })
  const other = copy()
  await primary.waitFor('checkpoint')
  writeFileSync(file, 'not a database, '.repeat(4000))
  await until('it is an error', () => codes('sync').includes('DATABASE_INVALID'))
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
  renameSync(other, file)
  await until('it is over', () => primary.of('recover').some(({ operation }) => operation === 'sync'))
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('if a database is moved away and back, replication continues without a snapshot', async (t) => {
  const { file, primary, follows, codes, reasons } = await fixture(t)
  for (const suffix of ['', '-wal', '-shm']) renameSync(file + suffix, `${file}.away${suffix}`)
  await until('it says so', () => codes('sync').includes('DATABASE_REPLACED'))
  for (const suffix of ['-shm', '-wal', '']) renameSync(`${file}.away${suffix}`, file + suffix)
  await until('it is over', () => primary.of('recover').some(({ operation }) => operation === 'sync'))
  await follows()
  assert.deepEqual(reasons(), ['first sync'])
  assert.equal(await primary.stop(), 0)
})

test('if the application drops Litestream’s tables, the primary creates these tables again', async (t) => {
  const { file, primary, follows } = await fixture(t, { minCheckpointPages: 1 })
  sql(file, 'DROP TABLE _litestream_seq', 'DROP TABLE _litestream_lock', 'INSERT INTO t VALUES (1)')
  await primary.waitFor('open', 1)
  await follows()
  assert.equal(await primary.stop(), 0)
})

test('no commit is lost while another process checkpoints with TRUNCATE repeatedly', async (t) => {
  const { file, primary, follows, codes } = await fixture(t)
  for (let i = 0; i < 5; i++) {
    sql(
      file,
      `INSERT INTO t VALUES (${i})`,
      'PRAGMA busy_timeout = 50',
      'PRAGMA wal_checkpoint(TRUNCATE)',
      `INSERT INTO t VALUES (${i})`,
    )
    await follows()
  }
  assert.deepEqual([codes('sync'), codes('files')], [[], []])
  assert.ok(statSync(file).size > 0)
  assert.equal(await primary.stop(), 0)
})
