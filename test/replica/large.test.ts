import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { connect, integrity, openTestReplica, value } from '../support/replica.js'
import { makeSparseDatabase } from '../support/sparse-database.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const GIB = 2 ** 30

for (const { size, pageSize } of [
  { size: 1.05 * GIB, pageSize: 65536 },
  { size: 1.01 * GIB, pageSize: 4096 },
  { size: 4.1 * GIB, pageSize: 65536 },
]) {
  test(`${(size / GIB).toFixed(2)} GiB in pages of ${pageSize} bytes: a reader reads the data beyond the lock page`, async (t) => {
    const directory = temporaryDirectory(t)
    const file = path.join(directory, 'large.db')
    const url = pathToFileURL(path.join(directory, 'replica')).href
    const local = makeSparseDatabase(file, pageSize, Math.floor(size / pageSize))
    t.after(() => local.close())
    local.pragma('journal_mode=wal')
    local.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO t SELECT i, hex(randomblob(100)) FROM n`)
    const root = local.prepare("SELECT max(pageno) FROM dbstat WHERE name = 't'").pluck().get() as number
    assert.ok((root - 1) * pageSize > GIB, `the rows lie at page ${root}`)
    await replicateOnce(file, url)
    const replica = await openTestReplica(t, url)
    const db = connect(t, replica.uri)
    assert.equal(db.pragma('page_count', { simple: true }), local.pragma('page_count', { simple: true }))
    assert.deepEqual(db.prepare('SELECT * FROM t').all(), local.prepare('SELECT * FROM t').all())
    local.exec("UPDATE t SET v = 'new' WHERE id % 100 = 0")
    await replicateOnce(file, url)
    assert.ok((await replica.refresh()) >= 2) // more if a slow run reaches a timed checkpoint
    assert.equal(value(db, "SELECT count(*) FROM t WHERE v = 'new'"), 30)
    if (pageSize === 65536) assert.equal(integrity(db), 'ok')
  })
}
