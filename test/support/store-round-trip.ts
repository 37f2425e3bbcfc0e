import assert from 'node:assert/strict'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { replicate } from '../../src/primary/replicate.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from './clean-up.js'
import { connect, openTestReplica, value } from './replica.js'
import { temporaryDirectory } from './temporary-directory.js'
import { until } from './until.js'

/** Replicates a database to `url`, reads it through the VFS while it changes, and restores it. */
export async function roundTrip(t: TestContext, url: string): Promise<void> {
  const directory = temporaryDirectory(t)
  const file = path.join(directory, 'shop.db')
  const db = new Database(file)
  cleanUp(t, () => db.close())
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT)')
  const insert = db.prepare('INSERT INTO t (text) VALUES (?)')
  for (let i = 0; i < 500; i++) insert.run('x'.repeat(200))
  const primary = await replicate(file, url)
  cleanUp(t, () => primary.close())
  await primary.sync({ wait: true })

  const replica = await openTestReplica(t, url)
  const reader = connect(t, replica.uri)
  assert.equal(value(reader, 'SELECT count(*) FROM t'), 500)
  insert.run('the last one')
  await primary.sync({ wait: true })
  await until('the new row is seen', () => value(reader, 'SELECT count(*) FROM t') === 501)
  assert.equal(value(reader, 'SELECT text FROM t ORDER BY i DESC LIMIT 1'), 'the last one')

  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const output = path.join(directory, 'restored.db')
  await restore(client, { output })
  const restored = new Database(output, { readonly: true })
  cleanUp(t, () => restored.close())
  assert.equal(value(restored, 'SELECT count(*) FROM t'), 501)
  assert.equal(restored.pragma('integrity_check', { simple: true }), 'ok')
}
