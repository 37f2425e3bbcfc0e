import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { writeHotJournal } from '../../src/restore/hot-journal.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

for (const pageSize of [512, 1024, 4096, 65536]) {
  for (const change of ['overwritten', 'grown', 'cut short'] as const) {
    test(`SQLite rolls back a database of ${pageSize}-byte pages that was ${change} during a power cut`, async (t) => {
      const file = path.join(temporaryDirectory(t), 'a.db')
      const db = new Database(file)
      db.pragma(`page_size=${pageSize}`)
      db.exec(`CREATE TABLE t (v); INSERT INTO t
        WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM s WHERE i<400) SELECT hex(randomblob(200)) FROM s`)
      db.close()
      const before = readFileSync(file)
      const commit = before.length / pageSize
      const handle = await open(file, 'r+')
      const pgnos = change === 'cut short' ? Array.from({ length: commit }, (_, i) => i + 1) : [1, 2, commit]
      await writeHotJournal(file, handle, pageSize, commit, Uint32Array.from(pgnos))
      const garbage = (pages: number, at: number) =>
        handle.write(new Uint8Array(pageSize * pages).fill(7), 0, pageSize * pages, at * pageSize)
      await garbage(2, 0)
      if (change === 'overwritten') await garbage(1, commit - 1)
      if (change === 'grown') await garbage(3, commit)
      if (change === 'cut short') truncateSync(file, 2 * pageSize)
      await handle.close()
      assert.equal(
        execFileSync('/usr/bin/sqlite3', [file, 'PRAGMA integrity_check; SELECT count(*) FROM t']).toString(),
        'ok\n400\n',
      )
      assert.ok(!existsSync(`${file}-journal`))
      assert.equal(Buffer.compare(readFileSync(file), before), 0)
    })
  }
}
