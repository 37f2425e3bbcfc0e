import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { run } from '../cli/run.js'
import { contentHashes } from '../support/content.js'
import { released } from '../support/released.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

function fixture(t: TestContext) {
  const directory = temporaryDirectory(t)
  const file = path.join(directory, 'app.db')
  const url = `file://${directory}/replica`
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  const insert = (count: number) => {
    for (let i = 0; i < count; i++) db.exec('INSERT INTO t (v) VALUES (hex(randomblob(500)))')
  }
  return { directory, file, url, db, insert }
}

test('after a handover, Litestream 0.5.17 continues the replica, whatever was committed and checkpointed after litestream-ts ended', async (t) => {
  const official = released(t, '0.5.17')
  if (!official) return
  const { directory, file, url, db, insert } = fixture(t)
  insert(20)
  await replicateOnce(file, url)
  // The sequence that breaks its replica without a handover: commits, a checkpoint, and commits in
  // the restarted WAL.
  insert(20)
  db.pragma('wal_checkpoint(RESTART)')
  insert(3)
  const handover = await run(['handover', file, url])
  assert.equal(handover.status, 0, handover.stderr)
  assert.equal(statSync(`${file}-wal`).size, 0)
  await official.succeed(['replicate', '-once', file, url])
  insert(5)
  await official.succeed(['replicate', '-once', file, url])
  const output = path.join(directory, 'restored.db')
  await official.succeed(['restore', '-integrity-check', 'full', '-o', output, url])
  assert.deepEqual(contentHashes(output), contentHashes(file))
})

test('a handover uploads all commits and reports the last TXID', async (t) => {
  const { directory, file, url, insert } = fixture(t)
  insert(1)
  const { status, stdout, stderr } = await run(['handover', '-json', file, url])
  assert.equal(status, 0, stderr)
  const { db_path, txid } = JSON.parse(stdout)
  assert.equal(db_path, file)
  const output = path.join(directory, 'restored.db')
  const restored = await run(['restore', '-txid', txid, '-o', output, url])
  assert.equal(restored.status, 0, restored.stderr)
  assert.deepEqual(contentHashes(output), contentHashes(file))
})

test('a handover refuses a database while a reader holds the database’s WAL open', async (t) => {
  const { file, url, db, insert } = fixture(t)
  insert(3)
  db.exec('BEGIN')
  db.prepare('SELECT count(*) FROM t').get()
  const { status, stderr } = await run(['handover', file, url])
  db.exec('COMMIT')
  assert.equal(status, 1)
  assert.match(stderr, /the WAL of .* is in use/)
  assert.match(stderr, /Stop the application/)
})
