import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { replicate } from '../../src/primary/replicate.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { App } from '../primary/app.js'
import { PrimaryChild } from '../primary/primary-child.js'
import { assertReplicaEquals } from '../primary/restored.js'
import { askOfficialVfs } from '../support/official-vfs.js'
import { copyRealDatabase } from '../support/real-database.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/**
 * One row for each table: its name, rows, and a sum over the lengths of everything in it; asked of
 * the same shell both times.
 */
function question(file: string): { sql: string; answer: string } {
  const db = new Database(file, { readonly: true })
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1").pluck().all() as string[]
  const one = (name: string) => {
    const columns = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(name) as string[]
    const lengths = columns.map((column) => `total(length(quote("${column}")))`).join(' + ')
    return `SELECT '${name}', count(*), CAST(${lengths} AS INTEGER) FROM "${name}"`
  }
  const sql = `${tables.map(one).join(' UNION ALL ')}; PRAGMA integrity_check;`
  db.close()
  return { sql, answer: execFileSync('/usr/bin/sqlite3', ['-batch', '-bail', file, sql], { encoding: 'utf8' }).trim() }
}

test('the official VFS and restore read a real database of 80 tables that a litestream-ts primary replicated', async (t) => {
  const dir = temporaryDirectory(t)
  const file = copyRealDatabase(dir)
  const url = `file://${dir}/replica`
  const replication = await replicate(file, url)
  await replication.sync({ wait: true })
  const app = new Database(file)
  app.exec("CREATE TABLE extra (a); INSERT INTO extra VALUES ('x'); DELETE FROM alias_name WHERE rowid % 2")
  await replication.close()
  app.close()
  const { sql, answer } = question(file)
  assert.equal(await askOfficialVfs(url, sql, path.join(dir, 'vfs.log')), answer)
  await assertReplicaEquals(url, file)
})

test('while a primary writes a replica, the official VFS reads only committed states', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const app = new App(t, path.join(dir, 'app.db'))
  const primary = new PrimaryChild(t, app.file, url, { minCheckpointPages: 50 })
  app.start({ pause: 5 })
  await primary.waitFor('upload')
  const sql = 'SELECT n, total, (SELECT coalesce(sum(n * (k + 1)), 0) FROM keys) FROM state; PRAGMA integrity_check;'
  let last = -1
  for (let round = 0; round < 6; round++) {
    const answer = await askOfficialVfs(url, sql, path.join(dir, 'vfs.log'))
    const [n, total, sum] = answer.split('\n')[0]!.split('|').map(Number)
    assert.equal(answer.split('\n')[1], 'ok')
    assert.equal(total, sum)
    assert.ok(n! >= last)
    last = n!
  }
  await app.stop()
  await primary.sync()
  assert.equal(await primary.stop(), 0)
  const { sql: all, answer } = question(app.file)
  assert.equal(await askOfficialVfs(url, all, path.join(dir, 'vfs.log')), answer)
})

for (const pageSize of [512, 1024, 2048, 8192, 16384, 32768, 65536]) {
  test(`pages of ${pageSize} bytes: the official VFS and restore read a replica’s first file, an incremental file and a file that shrinks the database`, async (t) => {
    const dir = temporaryDirectory(t)
    const file = path.join(dir, 'app.db')
    const url = `file://${dir}/replica`
    const app = new Database(file)
    t.after(() => app.close())
    app.pragma(`page_size = ${pageSize}`)
    app.pragma('journal_mode = wal')
    app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
    const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(2000))')
    for (const step of [
      () => {},
      () => {},
      () => app.exec('DELETE FROM t WHERE id % 3 > 0'),
      () => app.exec('VACUUM'),
    ]) {
      app.transaction(() => {
        for (let i = 0; i < 60; i++) insert.run()
      })()
      step()
      await replicateOnce(file, url)
      await assertReplicaEquals(url, file)
    }
  })
}
