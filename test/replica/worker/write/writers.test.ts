import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import { mergeCommits } from '../../../../src/replica/worker/write/merge-commits.js'
import { cleanUp } from '../../../support/clean-up.js'
import { putFile } from '../../../support/put-file.js'
import { until } from '../../../support/until.js'
import {
  codeOf,
  emptyReplicaUrl,
  makeWritten,
  openForWriting,
  restoredDatabase,
} from '../../../support/written-replica.js'

const reasonOf = (db: Database.Database) => db.prepare('SELECT litestream_error()').pluck().get() as string
const rowsOf = (db: Database.Database) =>
  db.prepare('SELECT group_concat(x) FROM (SELECT x FROM t ORDER BY x)').pluck().get()

test('the first commit creates the replica, with the page size of PRAGMA page_size', async (t) => {
  const { db, files, replica, url } = await makeWritten(t)
  assert.equal(replica.txid, 0)
  assert.ok(!existsSync(path.join(files, 'ltx')))
  db.exec('PRAGMA page_size = 8192; CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  assert.equal(replica.txid, 2)
  assert.equal(replica.stats().pageSize, 8192)
  const restored = await restoredDatabase(t, url)
  assert.equal(rowsOf(restored), '1')
  assert.equal(restored.pragma('journal_mode', { simple: true }), 'wal')
})

test('if two writers race for one hundred commits, each TXID has one winner, and every acknowledged row exists once', async (t) => {
  const { url, db, files } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  const others = await Promise.all(
    ['3MiB', '5MiB', '7MiB'].map((cacheSize) => openForWriting(t, url, { write: { lease: false }, cacheSize })),
  )
  const acknowledged: number[] = []
  let refused = 0
  for (let i = 0; acknowledged.length < 100; i++) {
    const writer = others[(i * 7) % others.length]!
    const code = codeOf(() => writer.db.exec(`INSERT INTO t VALUES (${i})`))
    if (code === undefined) acknowledged.push(i)
    else {
      assert.equal(code, 'SQLITE_BUSY_SNAPSHOT')
      refused++
    }
  }
  assert.ok(refused > 0)
  const names = readdirSync(path.join(files, 'ltx/0'))
  assert.equal(names.length, 101)
  const restored = await restoredDatabase(t, url)
  assert.equal(rowsOf(restored), acknowledged.sort((a, b) => a - b).join())
})

test('if two writers commit the same change in the same millisecond, exactly one of the writers wins', async (t) => {
  const { url, db, files, replica } = await makeWritten(t)
  db.exec('CREATE TABLE c (n); INSERT INTO c VALUES (0)')
  db.close()
  await replica.close()
  // A file of the future: no later file has an earlier time, so all have exactly this one.
  const newest = path.join(files, 'ltx/0', `${'2'.padStart(16, '0')}-${'2'.padStart(16, '0')}.ltx`)
  const timestamp = Date.now() + 3_600_000
  putFile(newest, await mergeCommits([readFileSync(newest)], { txid: 2, timestamp }))
  const writers = await Promise.all(
    ['3MiB', '5MiB'].map((cacheSize) => openForWriting(t, url, { write: { lease: false }, cacheSize })),
  )
  let acknowledged = 0
  for (let i = 0; i < 10; i++) {
    for (const each of writers) {
      if (codeOf(() => each.db.exec('UPDATE c SET n = n + 1')) === undefined) acknowledged++
    }
  }
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT n FROM c').pluck().get(), acknowledged)
})

test('the lease keeps a second writer out until the first writer closes, and the error names the lease owner', async (t) => {
  const { url } = emptyReplicaUrl(t)
  const first = await openForWriting(t, url, { write: true })
  first.db.exec('CREATE TABLE t (x)')
  const second = await openForWriting(t, url, { write: true, cacheSize: '3MiB' })
  second.db.pragma('busy_timeout = 0')
  const insert = () => second.db.exec('INSERT INTO t VALUES (1)')
  assert.equal(codeOf(insert), 'SQLITE_BUSY')
  assert.match(reasonOf(second.db), new RegExp(`^LEASE_HELD: .*:${process.pid}:.* has the lease until`))
  assert.equal(second.db.prepare('SELECT count(*) FROM t').pluck().get(), 0)
  first.db.close()
  await first.replica.close()
  second.db.pragma('busy_timeout = 5000')
  assert.equal(codeOf(insert), undefined)
})

test('a second connection in one process waits for the first connection, as on a local file', async (t) => {
  const { replica, db } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  const other = new Database(replica.uri, { timeout: 0 })
  cleanUp(t, () => other.close())
  db.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  assert.equal(
    codeOf(() => other.exec('BEGIN IMMEDIATE')),
    'SQLITE_BUSY',
  )
  // A reader sees the state before, and keeps it.
  other.exec('BEGIN')
  assert.equal(rowsOf(other), null)
  db.exec('COMMIT')
  assert.equal(rowsOf(other), null)
  assert.equal(
    codeOf(() => other.exec('INSERT INTO t VALUES (2)')),
    'SQLITE_BUSY_SNAPSHOT',
  )
  other.exec('ROLLBACK; BEGIN IMMEDIATE; INSERT INTO t VALUES (2); COMMIT')
  assert.equal(rowsOf(db), '1,2')
})

async function expectReadOnly(t: TestContext, uri: string, options: Database.Options = {}): Promise<void> {
  const db = new Database(uri, options)
  cleanUp(t, () => db.close())
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (9)')),
    'SQLITE_READONLY',
  )
}

test('writes are refused on a read-only handle, on a read-only connection, at an earlier TXID, with writing switched off and with query_only', async (t) => {
  const { replica, db, url } = await makeWritten(t)
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  const reader = await openReplica(url)
  cleanUp(t, () => reader.close())
  await expectReadOnly(t, reader.uri)
  await expectReadOnly(t, replica.uri, { readonly: true })
  await expectReadOnly(t, (await replica.at({ txid: 1 })).uri)
  const travelling = new Database(replica.uri)
  cleanUp(t, () => travelling.close())
  travelling.prepare("SELECT litestream_set_time('0000000000000001')").get()
  assert.equal(
    codeOf(() => travelling.exec('INSERT INTO t VALUES (9)')),
    'SQLITE_READONLY',
  )
  assert.match(reasonOf(travelling), /^WRITE_DISABLED: .*earlier state/)
  assert.deepEqual(db.pragma('litestream_write_enabled', { simple: true }), '1')
  assert.deepEqual(db.pragma('litestream_write_enabled = off', { simple: true }), '0')
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (9)')),
    'SQLITE_READONLY',
  )
  db.pragma('litestream_write_enabled = on')
  db.pragma('query_only = on')
  assert.equal(
    codeOf(() => db.exec('INSERT INTO t VALUES (9)')),
    'SQLITE_READONLY',
  )
  db.pragma('query_only = off')
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(rowsOf(db), '1,2')
})

test('exclusive locking mode and a change of the page size are refused with the reason, and no page is committed', async (t) => {
  const { replica, db } = await makeWritten(t)
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  assert.throws(() => db.pragma('locking_mode = exclusive'), /not supported for a replica/)
  db.pragma('page_size = 8192')
  assert.equal(
    codeOf(() => db.exec('VACUUM')),
    'SQLITE_READONLY',
  )
  assert.match(reasonOf(db), /^PAGE_SIZE_MISMATCH/)
  assert.equal(replica.txid, 2)
  db.exec('INSERT INTO t VALUES (2)')
  assert.equal(rowsOf(db), '1,2')
})

test('a transaction on a replica and an attached file commits to both, if the file can be rolled back after a crash', async (t) => {
  const { replica, db, directory } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  const file = path.join(directory, 'local.db')
  const local = new Database(file)
  cleanUp(t, () => local.close())
  local.exec('CREATE TABLE l (x)')
  local.exec(`ATTACH '${replica.uri}' AS r`)
  local.exec('BEGIN; INSERT INTO l VALUES (1); INSERT INTO r.t VALUES (1); COMMIT; DETACH r')
  db.exec(`ATTACH '${file}' AS f`)
  // After a crash nothing would roll a journal back whose super-journal is in memory.
  const both = 'BEGIN; INSERT INTO f.l VALUES (2); INSERT INTO t VALUES (2); COMMIT'
  const warnings: string[] = []
  const onWarning = (warning: Error) => void warnings.push(warning.message)
  process.on('warning', onWarning)
  cleanUp(t, () => process.off('warning', onWarning))
  assert.equal(
    codeOf(() => db.exec(both)),
    'SQLITE_READONLY',
  )
  await until('the warning', () => warnings.some((text) => /an attached file that is not in WAL mode/.test(text)))
  assert.equal(rowsOf(db), '1')
  db.pragma('f.journal_mode = wal')
  db.exec(both)
  db.exec('BEGIN; INSERT INTO f.l VALUES (3); INSERT INTO t VALUES (3); ROLLBACK')
  assert.equal(rowsOf(db), '1,2')
  assert.equal(local.prepare('SELECT group_concat(x) FROM l').pluck().get(), '1,2')
  assert.deepEqual(readdirSync(directory).sort(), ['local.db', 'local.db-shm', 'local.db-wal', 'replica'])
  assert.deepEqual(
    readdirSync(process.cwd()).filter((name) => /-(mj|journal)/.test(name)),
    [],
  )
})

test('if a transaction on two replicas loses a race on one replica, neither replica changes, and the connection then reads the winner’s commit', async (t) => {
  const first = await makeWritten(t)
  const second = await makeWritten(t)
  const other = await openForWriting(t, second.url, { cacheSize: '3MiB' })
  first.db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  second.db.exec('CREATE TABLE u (x); INSERT INTO u VALUES (0)')
  const { db } = first
  db.exec(`ATTACH '${second.replica.uri}' AS b`)
  const all = () => ['t', 'b.u'].map((table) => db.prepare(`SELECT group_concat(x) FROM ${table}`).pluck().get())
  for (const [x, expected] of [
    [1, ['0', '0,51']],
    [2, ['0', '0,51,52']],
  ] as const) {
    await other.replica.refresh()
    db.exec(`BEGIN; INSERT INTO t VALUES (${x}); INSERT INTO b.u VALUES (${x})`)
    other.db.exec(`INSERT INTO u VALUES (${50 + x})`)
    assert.equal(
      codeOf(() => db.exec('COMMIT')),
      'SQLITE_BUSY_SNAPSHOT',
    )
    assert.deepEqual(all(), expected)
  }
  db.exec('BEGIN; INSERT INTO t VALUES (9); INSERT INTO b.u VALUES (9); COMMIT')
  assert.deepEqual(all(), ['0,9', '0,51,52,9'])
  for (const [url, table, rows] of [
    [first.url, 't', '0,9'],
    [second.url, 'u', '0,51,52,9'],
  ] as const) {
    const restored = await restoredDatabase(t, url)
    assert.equal(restored.prepare(`SELECT group_concat(x) FROM ${table}`).pluck().get(), rows)
  }
})

test('in every journal mode, and with a savepoint, a transaction that loses a race leaves no change in the connection', async (t) => {
  const { db, url } = await makeWritten(t)
  const other = await openForWriting(t, url, { cacheSize: '3MiB' })
  db.exec('CREATE TABLE t (x)')
  const expected: number[] = []
  const cases = ['delete', 'persist', 'truncate', 'memory', 'off', 'savepoint']
  for (const [i, mode] of cases.entries()) {
    const isSavepoint = mode === 'savepoint'
    if (!isSavepoint) db.pragma(`journal_mode = ${mode}`)
    await other.replica.refresh()
    db.exec(isSavepoint ? 'SAVEPOINT s' : 'BEGIN')
    db.exec(`INSERT INTO t VALUES (${-i})`)
    other.db.exec(`INSERT INTO t VALUES (${2 * i})`)
    const end = isSavepoint ? 'RELEASE s' : 'COMMIT'
    assert.equal(
      codeOf(() => db.exec(end)),
      'SQLITE_BUSY_SNAPSHOT',
      mode,
    )
    // SQLite does not go back to autocommit mode after a RELEASE that fails.
    if (db.inTransaction) db.exec('ROLLBACK')
    db.exec(`INSERT INTO t VALUES (${2 * i + 1})`)
    expected.push(2 * i, 2 * i + 1)
    assert.equal(rowsOf(db), expected.join(), mode)
  }
  assert.equal(rowsOf(await restoredDatabase(t, url)), expected.join())
})

test('if the commit of an INSERT … RETURNING is refused, all() throws, get() does not throw, and litestream_error() states the reason', async (t) => {
  const { db, files, replica } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  const insert = db.prepare('INSERT INTO t VALUES (1) RETURNING x')
  const name = `${'2'.padStart(16, '0')}-${'2'.padStart(16, '0')}.ltx`
  putFile(path.join(files, 'ltx/0', name), 'another file')
  replica.on('error', () => {})
  assert.throws(() => insert.all(), { code: 'SQLITE_BUSY_SNAPSHOT' })
  insert.get()
  assert.match(reasonOf(db), /^REPLICA_FENCED/)
  assert.equal(rowsOf(db), null)
})

test('a large transaction spills to a temporary file and is uploaded as one L0 file', async (t) => {
  const { replica, db, url } = await makeWritten(t)
  db.pragma('cache_size = 20')
  db.exec('CREATE TABLE t (x, v BLOB)')
  db.exec(
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, randomblob(4000) FROM n',
  )
  assert.equal(replica.txid, 2)
  db.exec('BEGIN; UPDATE t SET v = zeroblob(4000); ROLLBACK')
  assert.equal(replica.txid, 2)
  const restored = await restoredDatabase(t, url)
  const sum = 'SELECT count(*), sum(x), sum(unicode(hex(v))) FROM t'
  assert.deepEqual(restored.prepare(sum).raw().get(), db.prepare(sum).raw().get())
})
