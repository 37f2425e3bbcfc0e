// Two copies of SQLite in one process, as an application on node:sqlite and a primary on
// better-sqlite3 are. The second copy here is better-sqlite3's library under another name, which
// the loader takes for another one, with all its state.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError, type LitestreamError } from '../../../src/errors.js'
import { replicate } from '../../../src/primary/replicate.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const library = createRequire(import.meta.url).resolve('better-sqlite3/build/Release/better_sqlite3.node')
const linux = process.platform === 'linux'

function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const copy = path.join(dir, 'another.node')
  copyFileSync(library, copy)
  const openCopy = () => {
    const db = new Database(file, { nativeBinding: copy })
    t.after(() => db.close())
    db.pragma('journal_mode = wal')
    db.exec('CREATE TABLE IF NOT EXISTS t (v)')
    return db
  }
  return { file, url: `file://${dir}/replica`, openCopy }
}

const isShared = (error: unknown) => isLitestreamError(error, 'DATABASE_SHARED') && /node:sqlite/.test(error.message)

/** In another process; returns what it says on its standard error. */
function sql(file: string, ...statements: string[]): string {
  const script = new URL('../sql-process.js', import.meta.url).pathname
  return spawnSync(process.execPath, [script, file, ...statements], { encoding: 'utf8' }).stderr
}

/** The write lock that `db` holds still keeps other processes out. */
function assertStillLocked(db: Database.Database, file: string): void {
  assert.ok(db.inTransaction)
  assert.match(sql(file, 'PRAGMA busy_timeout = 0', 'INSERT INTO t VALUES (0)'), /database is locked/)
}

// First in this file: better-sqlite3's own library is not loaded yet.
test('if the application uses another copy of SQLite, the primary refuses the database before opening the file', {
  skip: !linux,
}, async (t) => {
  const { file, url, openCopy } = fixture(t)
  const app = openCopy()
  app.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  await assert.rejects(replicate(file, url), isShared)
  assertStillLocked(app, file)
  app.exec('COMMIT')
})

// Only opening the database shows which copy of SQLite made an existing mapping, and that open
// takes away the lock of a running transaction.
test('if two copies of SQLite are loaded, the primary refuses the database before writing any file', {
  skip: !linux,
}, async (t) => {
  const { file, url, openCopy } = fixture(t)
  new Database(':memory:').close()
  const app = openCopy()
  app.exec('INSERT INTO t VALUES (1)')
  const replication = await replicate(file, url)
  await assert.rejects(replication.sync({ wait: true }), isShared)
  assert.equal((await replication.status()).state, 'refused')
  await assert.rejects(replication.sync(), isShared)
  app.exec('INSERT INTO t VALUES (2)')
  assert.deepEqual(app.prepare('SELECT name FROM sqlite_schema').pluck().all(), ['t'])
  await replication.close()
  assert.equal(app.pragma('integrity_check', { simple: true }), 'ok')
})

test('if another copy of SQLite is loaded later, replication ends with an error that states the reason', {
  skip: !linux,
}, async (t) => {
  const { file, url, openCopy } = fixture(t)
  assert.equal(sql(file, 'PRAGMA journal_mode = wal', 'CREATE TABLE t (v)'), '')
  const replication = await replicate(file, url, { monitorInterval: 20, syncInterval: 20 })
  const errors: LitestreamError[] = []
  replication.on('error', ({ error }) => errors.push(error))
  await replication.sync({ wait: true })
  const app = openCopy()
  // Replication checks for a second copy once per second while the application commits.
  await until('it is noticed', () => {
    app.exec('INSERT INTO t VALUES (1)')
    return errors.some(isShared)
  })
  assert.equal((await replication.status()).state, 'refused')
  await replication.close()
  assert.equal(app.pragma('integrity_check', { simple: true }), 'ok')
})
