import assert from 'node:assert/strict'
import { closeSync, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { DEFAULT_COMPACTION_SETTINGS } from '../../src/compaction/settings.js'
import type { PrimaryEvents } from '../../src/primary/events.js'
import { Replicator } from '../../src/primary/replicator.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

/**
 * Replicates until the scheduled check has ended; returns its event, and the outcome of the check
 * of a restore.
 */
async function checked(t: TestContext, make: (db: Database.Database, file: string) => void) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const db = new Database(file)
  make(db, file)
  if (db.open) db.close()
  const events: PrimaryEvents['integrity'][] = []
  const compaction = { ...DEFAULT_COMPACTION_SETTINGS, validationInterval: 10 }
  const client = await openReplicaClient(`file://${dir}/replica`)
  const replicator = new Replicator(file, client, { compaction }, (name, event) => {
    if (name === 'integrity') events.push(event as PrimaryEvents['integrity'])
  })
  replicator.start()
  try {
    await until('it is checked', () => events.length > 0)
    await replicator.sync({ wait: true })
  } finally {
    await replicator.close()
  }
  const again = await openReplicaClient(`file://${dir}/replica`)
  const { integrity } = await restore(again, { output: path.join(dir, 'restored.db') })
  return { event: events[0]!, count: events.length, restored: integrity?.outcome }
}

test('once a day, the scheduled check of a primary reports the warnings that a restore would print', async (t) => {
  const ok = await checked(t, (db) => db.exec('CREATE TABLE t (a)'))
  assert.deepEqual([ok.event.outcome, ok.event.messages, ok.count, ok.restored], ['ok', [], 1, 'ok'])

  const incomplete = await checked(t, (db) => {
    db.function('is_fine', { deterministic: true }, (_value) => 1)
    db.exec('CREATE TABLE t (a CHECK (is_fine(a))); INSERT INTO t VALUES (1)')
  })
  assert.deepEqual([incomplete.event.outcome, incomplete.restored], ['incomplete', 'incomplete'])

  const damaged = await checked(t, (db, file) => {
    db.exec('CREATE TABLE t (a); CREATE INDEX i ON t (a)')
    db.exec(
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i || 'x' FROM n",
    )
    db.close()
    const fd = openSync(file, 'r+')
    // Cell pointers of a leaf in the middle.
    writeSync(fd, Buffer.alloc(60, 0xff), 0, 60, 4096 * 12 + 10)
    closeSync(fd)
  })
  assert.deepEqual([damaged.event.outcome, damaged.restored], ['damaged', 'damaged'])
  assert.ok(damaged.event.messages.length > 0)
})
