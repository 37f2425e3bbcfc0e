import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { checkIntegrity } from '../../src/integrity/check-integrity.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('an abort interrupts an integrity check even during an SQLite statement', async (t) => {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  // Each row costs SQLite milliseconds: all of them would take an hour.
  db.exec('CREATE TABLE t (a CHECK (length(hex(zeroblob(a))) >= 0)); PRAGMA ignore_check_constraints = on')
  db.exec(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
    INSERT INTO t SELECT 10000000 FROM n`)
  db.close()
  const stop = new AbortController()
  const running = checkIntegrity(file, 'quick', { signal: stop.signal })
  await new Promise((resolve) => setTimeout(resolve, 500))
  stop.abort()
  await assert.rejects(running, { code: 'ABORTED' })
  await assert.rejects(checkIntegrity(file, 'quick', { signal: stop.signal }), { code: 'ABORTED' })
})

test('the integrity check reads a live database only through SQLite, so that the process keeps its POSIX locks on the database', async (t) => {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.function('is_fine', { deterministic: true }, (_value) => 1)
  db.exec('CREATE TABLE t (a CHECK (is_fine(a))); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  const { outcome, messages } = await checkIntegrity(file, 'quick', { live: true })
  assert.deepEqual([outcome, messages], ['incomplete', ['table t: unknown function: is_fine()']])
  const other = new Database(file, { timeout: 0 })
  t.after(() => other.close())
  assert.throws(() => other.exec('BEGIN IMMEDIATE'), { code: 'SQLITE_BUSY' })
  db.exec('COMMIT')
})
