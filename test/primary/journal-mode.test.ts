// An application changes the journal mode of a database that a primary replicates, or opens it in
// another mode than WAL.
import assert from 'node:assert/strict'
import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../support/clean-up.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { PrimaryChild } from './primary-child.js'
import { assertReplicaEquals } from './restored.js'

function fixture(t: TestContext, mode: string) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const app = new Database(file, { timeout: 20 })
  cleanUp(t, () => app.close())
  app.pragma(`journal_mode = ${mode}`)
  app.exec('CREATE TABLE t (v BLOB)')
  const write = (db = app) => db.exec('INSERT INTO t VALUES (randomblob(3000))')
  const journalMode = () => {
    const db = new Database(file, { readonly: true })
    try {
      return db.pragma('journal_mode', { simple: true })
    } finally {
      db.close()
    }
  }
  const follows = async (primary: PrimaryChild, db = app) => {
    write(db)
    await primary.sync()
    await assertReplicaEquals(url, file)
  }
  const notices = (primary: PrimaryChild) => primary.of('notice').map(({ action }) => action)
  return { dir, file, url, app, write, journalMode, follows, notices }
}

test('while the primary runs, an application cannot leave WAL mode, and replication continues', async (t) => {
  const { file, url, app, follows, journalMode } = fixture(t, 'wal')
  const primary = new PrimaryChild(t, file, url)
  await primary.sync()
  for (const mode of ['delete', 'truncate', 'persist', 'memory']) {
    assert.throws(() => app.pragma(`journal_mode = ${mode}`), { code: 'SQLITE_BUSY' })
    await follows(primary)
  }
  assert.equal(journalMode(), 'wal')
  assert.deepEqual(primary.of('error'), [])
  assert.equal(await primary.stop(), 0)
})

test('if an application changed the journal mode while no primary ran, the next primary sets WAL mode again and reports the change', async (t) => {
  const { file, url, app, write, follows, journalMode, notices } = fixture(t, 'wal')
  const first = new PrimaryChild(t, file, url)
  await first.sync()
  assert.equal(await first.stop(), 0)
  app.pragma('journal_mode = delete')
  write()
  const second = new PrimaryChild(t, file, url)
  await second.sync()
  assert.deepEqual(notices(second), ['turned the database to WAL mode'])
  assert.equal(journalMode(), 'wal')
  await follows(second)
  assert.equal(await second.stop(), 0)
})

test('if a file in rollback-journal mode replaces the database, the primary sets WAL mode and reports the change', async (t) => {
  const { dir, file, url, app, notices } = fixture(t, 'wal')
  const primary = new PrimaryChild(t, file, url)
  await primary.sync()
  const other = path.join(dir, 'other.db')
  const made = new Database(other)
  made.exec('CREATE TABLE t (v BLOB); INSERT INTO t VALUES (randomblob(30000))')
  made.close()
  app.close()
  // As `cp` does: into the same file, with the files of the old WAL still present.
  copyFileSync(other, file)
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
  await until('it is turned', () => notices(primary).includes('turned the database to WAL mode'))
  await primary.sync()
  await assertReplicaEquals(url, file)
  assert.equal(await primary.stop(), 0)
})

for (const [what, setUp] of [
  ['a transaction in rollback mode', (app: Database.Database) => app.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')],
  [
    'exclusive locking mode',
    (app: Database.Database) => {
      app.pragma('locking_mode = exclusive')
      app.exec('INSERT INTO t VALUES (1)')
    },
  ],
] as const) {
  test(`if ${what} prevents WAL mode, the primary reports an error, and replicates as soon as WAL mode is possible`, async (t) => {
    const { file, url, app, write, follows } = fixture(t, 'delete')
    setUp(app)
    const primary = new PrimaryChild(t, file, url, { busyTimeout: 50 })
    const { error } = await primary.waitFor('error')
    assert.equal((error as { code: string }).code, 'DATABASE_BUSY', (error as { message: string }).message)
    if (app.inTransaction) app.exec('COMMIT')
    app.pragma('locking_mode = normal')
    write()
    await primary.sync()
    await follows(primary)
    assert.equal(await primary.stop(), 0)
  })
}
