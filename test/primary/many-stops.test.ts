import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { listLevels } from '../../src/levels/plan.js'
import { Replicator } from '../../src/primary/replicator.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const MANY = 150

test('if a primary is stopped before its first syncs, the primary still uploads every database, and opens only a few databases at a time', async (t) => {
  const directory = temporaryDirectory(t)
  const replicaOf = (i: number) => `file://${directory}/replicas/${i}`
  const before = readdirSync('/proc/self/fd').length
  let most = 0
  const observe = (name: string) => {
    if (name === 'open') most = Math.max(most, readdirSync('/proc/self/fd').length - before)
  }
  const replicators: Replicator[] = []
  for (let i = 0; i < MANY; i++) {
    const file = path.join(directory, `${i}.db`)
    const db = new Database(file)
    db.pragma('journal_mode = wal')
    db.exec(`CREATE TABLE t (x); INSERT INTO t VALUES (${i})`)
    db.close()
    replicators.push(new Replicator(file, await openReplicaClient(replicaOf(i)), {}, observe))
  }
  await Promise.all(replicators.map((replicator) => replicator.close()))
  for (let i = 0; i < MANY; i++) {
    const client = await openReplicaClient(replicaOf(i))
    assert.equal((await listLevels(client))[0]!.length, 1, `database ${i}`)
    await client.close()
  }
  // Each takes seven while it is open.
  assert.ok(most < 7 * 80, `${most} descriptors`)
})
