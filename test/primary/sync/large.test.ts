import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import type { PrimaryEvents } from '../../../src/primary/events.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { restore } from '../../../src/restore/restore.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

test('for a database over 1 GiB, every page except the lock page is replicated', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const url = `file://${dir}/replica`
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = off')
  app.pragma('synchronous = off')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  // Zeros, but for a mark at both ends of each row.
  const insert = app.prepare("INSERT INTO t (v) VALUES (CAST('begin' || ? AS BLOB) || zeroblob(4000000) || ?)")
  app.transaction(() => {
    for (let i = 0; i < 270; i++) insert.run(i, `end${i}`)
  })()
  app.pragma('journal_mode = wal')
  app.pragma('wal_autocheckpoint = 0')
  const lock = 2 ** 30 / 4096 + 1
  assert.ok((app.pragma('page_count', { simple: true }) as number) > lock)
  const pages: number[] = []
  const observe = (name: string, event: unknown) => {
    if (name === 'sync') pages.push((event as PrimaryEvents['sync']).pages)
  }
  await replicateOnce(file, url, { observe })
  const count = app.pragma('page_count', { simple: true }) as number
  assert.equal(pages[0], count - 1, 'all pages but one')
  app.exec("UPDATE t SET v = 'short' WHERE id IN (3, 269); INSERT INTO t (v) VALUES (randomblob(9000000))")
  await replicateOnce(file, url, { observe })
  assert.ok(pages[1]! < 5000)
  const output = path.join(dir, 'restored.db')
  const client = await openReplicaClient(url)
  await restore(client, { output, integrityCheck: 'none' })
  await client.close()
  const restored = new Database(output)
  const sql = 'SELECT id, length(v), hex(substr(v, 1, 12)), hex(substr(v, -12)) FROM t'
  assert.deepEqual(restored.prepare(sql).all(), app.prepare(sql).all())
  restored.close()
})
