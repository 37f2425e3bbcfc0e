import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { openReplica } from '../../../src/replica/open-replica.js'
import type { Fixture } from './fixture.js'

/** A connection, whichever driver is under it. */
export interface Connection {
  /** Rows as arrays. */
  rows(sql: string): unknown[][]
  exec(sql: string): void
  close(): void
}

/** Opens a file or a URI. */
export type Open = (file: string, readonly?: boolean) => Connection

/** What every driver must be able to do with a replica; the same for all. `commit` changes the primary. */
export function driverCases(open: Open, fixture: Fixture, commit: (sql: string) => Promise<void>): void {
  const queries = [
    'SELECT * FROM a ORDER BY id',
    'SELECT a.id, b.k FROM a JOIN b ON b.k = a.k ORDER BY a.id',
    'SELECT k, hex(v) FROM b ORDER BY k DESC',
    "SELECT rowid, body FROM f WHERE f MATCH 'word3' ORDER BY rowid",
    'SELECT id FROM r WHERE x0 > 20 AND x1 < 90 ORDER BY id',
    'SELECT * FROM v',
    'SELECT name, type, sql FROM sqlite_schema ORDER BY name',
    'PRAGMA page_count',
    'PRAGMA page_size',
    'PRAGMA integrity_check',
    'SELECT group_concat(length(v)) FROM a',
  ]

  for (const { pageSize, url, file } of fixture.databases) {
    test(`pages of ${pageSize} bytes: every answer is that of the file (items 1, 14)`, async () => {
      await using replica = await openReplica(url, { openTimeout: 1000 })
      const local = open(file, true)
      const remote = open(replica.uri, true)
      for (const sql of queries) assert.deepEqual(remote.rows(sql), local.rows(sql), sql)
      remote.close()
      local.close()
    })
  }

  const [{ url, file }] = fixture.databases

  test('a plain URI with replica_url, no handle', () => {
    const remote = open(`file:app.db?vfs=litestream&replica_url=${encodeURIComponent(url)}`, true)
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    assert.throws(() => open('file:app.db?vfs=litestream&replica_url=file%3A%2F%2F%2Fnowhere&open_timeout=1ms'))
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    remote.close()
  })

  test('writes are refused, PRAGMAs answer (item 13)', async () => {
    await using replica = await openReplica(url)
    const remote = open(replica.uri, true)
    for (const sql of ['DELETE FROM a', 'CREATE TABLE x (y)', 'VACUUM', 'DROP TABLE a']) {
      assert.throws(() => remote.exec(sql), /attempt to write a readonly database/)
    }
    assert.deepEqual(remote.rows('PRAGMA journal_mode'), [['delete']])
    assert.deepEqual(remote.rows('PRAGMA journal_mode=wal'), [['delete']])
    remote.exec('PRAGMA cache_size=77')
    assert.deepEqual(remote.rows('PRAGMA cache_size'), [[77]])
    assert.deepEqual(remote.rows('SELECT litestream_txid()'), [['0000000000000001']])
    assert.deepEqual(remote.rows('PRAGMA litestream_txid'), [['0000000000000001']])
    assert.deepEqual(remote.rows('PRAGMA litestream_hydration_progress'), [['0.0']])
    assert.deepEqual(remote.rows('PRAGMA litestream_hydration_file'), [['']])
    assert.match(String(remote.rows('SELECT litestream_time()')[0][0]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(typeof Number(remote.rows('SELECT litestream_lag()')[0][0]), 'number')
    assert.equal(JSON.parse(String(remote.rows('SELECT litestream_stats()')[0][0])).readers, 1)
    remote.close()
  })

  test('temporary tables, sorts that spill, a small cache (items 11, 12)', async () => {
    await using replica = await openReplica(url, { cacheSize: '1KiB' })
    const local = open(file, true)
    const remote = open(replica.uri, true)
    for (const each of [local, remote]) {
      each.exec('PRAGMA cache_size=5; PRAGMA temp_store=FILE')
      each.exec('CREATE TEMP TABLE x AS SELECT id, v FROM a; CREATE INDEX temp.x_v ON x (v); UPDATE x SET id = id + 1')
    }
    for (const sql of [
      'SELECT * FROM a ORDER BY v DESC, id',
      'SELECT * FROM x ORDER BY v',
      'SELECT DISTINCT v FROM a',
    ]) {
      assert.deepEqual(remote.rows(sql), local.rows(sql), sql)
    }
    remote.close()
    local.close()
  })

  test('ATTACH: a replica to a local database, a local database to a replica, two replicas together (item 66)', async () => {
    await using one = await openReplica(url)
    await using two = await openReplica(fixture.databases[1].url)
    const local = open(path.join(fixture.directory, `local-${process.pid}-${Math.random()}.db`))
    local.exec("CREATE TABLE own (id INTEGER, w TEXT); INSERT INTO own VALUES (3, 'three')")
    local.exec(`ATTACH '${one.uri}' AS one; ATTACH '${two.uri}' AS two`)
    const join = 'SELECT own.w, a.v FROM own JOIN one.a USING (id)'
    assert.deepEqual(local.rows(join), [['three', open(file, true).rows('SELECT v FROM a WHERE id = 3')[0][0]]])
    local.exec('INSERT INTO own SELECT id, v FROM two.a WHERE id < 3')
    assert.deepEqual(local.rows('SELECT count(*) FROM own'), [[3]])
    assert.throws(() => local.exec('DELETE FROM one.a'), /readonly/)
    assert.deepEqual(local.rows('PRAGMA one.litestream_txid'), [['0000000000000001']])
    local.exec('DETACH one; DETACH two')
    local.exec('INSERT INTO own VALUES (9, 9)')
    local.close()
    const remote = open(one.uri, true)
    remote.exec(`ATTACH '${fixture.databases[1].file}' AS beside`)
    assert.deepEqual(
      remote.rows('SELECT count(*) FROM a JOIN beside.a AS b USING (id)'),
      remote.rows('SELECT count(*) FROM a'),
    )
    remote.close()
  })

  test('a transaction keeps its view, a new one sees what was written (items 2, 3)', async () => {
    await using replica = await openReplica(fixture.live, { pollInterval: 20 })
    const reader = open(replica.uri, true)
    const other = open(replica.uri, true)
    const n = (each: Connection) => each.rows('SELECT max(n) FROM t')[0][0]
    const start = Number(n(reader))
    reader.exec('BEGIN')
    assert.equal(n(reader), start)
    await commit('UPDATE t SET n = n + 1')
    while (Number(n(other)) === start) await replica.sync()
    assert.equal(n(reader), start)
    reader.exec('COMMIT')
    assert.equal(n(reader), start + 1)
    assert.equal(Number(n(other)), start + 1)
    const before = replica.stats().crossings
    assert.equal(n(reader), start + 1)
    assert.equal(replica.stats().crossings, before)
    reader.close()
    other.close()
  })

  test('time travel through SQL: a set answers with text (items 48, 68)', async () => {
    await using replica = await openReplica(fixture.live)
    const remote = open(replica.uri, true)
    const set = remote.rows("SELECT litestream_set_time('0000000000000001')")[0][0]
    assert.match(String(set), /^\d{4}-.*Z$/)
    assert.deepEqual(remote.rows('SELECT max(n) FROM t'), [[0]])
    assert.match(String(remote.rows("PRAGMA litestream_time='LATEST'")[0][0]), /^\d{4}-.*Z$/)
    assert.ok(Number(remote.rows('SELECT max(n) FROM t')[0][0]) >= 1)
    assert.throws(() => remote.rows("SELECT litestream_set_time('x')"), /invalid timestamp/)
    remote.close()
  })
}
