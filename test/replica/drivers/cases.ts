import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openReplica } from '../../../src/replica/handle/open-replica.js'
import type { Fixture } from './fixture.js'

/** A connection of any driver. */
export interface Connection {
  /** Rows as arrays. */
  rows(sql: string): unknown[][]
  /** The names of the columns of a query. */
  columns(sql: string): readonly string[]
  exec(sql: string): void
  close(): void
}

/** Opens a file or a URI. */
export type Open = (file: string, readonly?: boolean) => Connection

/** The operations that every driver must support on a replica. `commit` changes the primary. */
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
    test(`pages of ${pageSize} bytes: every query result through the VFS equals the result on the database file`, async () => {
      await using replica = await openReplica(url, { openTimeout: 1000 })
      const local = open(file, true)
      const remote = open(replica.uri, true)
      for (const sql of queries) assert.deepEqual(remote.rows(sql), local.rows(sql), sql)
      remote.close()
      local.close()
    })
  }

  const [{ url, file }] = fixture.databases

  test('a plain URI with replica_url opens a replica without a replica handle', () => {
    const remote = open(`file:app.db?vfs=litestream&replica_url=${encodeURIComponent(url)}`, true)
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    assert.throws(() => open('file:app.db?vfs=litestream&replica_url=file%3A%2F%2F%2Fnowhere&open_timeout=1ms'))
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    remote.close()
  })

  test('a connection to a replica refuses writes, and returns values for PRAGMAs', async () => {
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

  test('temporary tables, sorts that spill to disk, and a small SQLite page cache work on a replica', async () => {
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

  test('ATTACH can attach a replica to a local database, a local database to a replica, and a replica to a replica', async () => {
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

  test('a transaction keeps its view, and the next transaction sees new commits', async () => {
    await using replica = await openReplica(fixture.live, { pollInterval: 20 })
    const reader = open(replica.uri, true)
    const other = open(replica.uri, true)
    const n = (each: Connection) => each.rows('SELECT max(n) FROM t')[0][0]
    const start = Number(n(reader))
    reader.exec('BEGIN')
    assert.equal(n(reader), start)
    await commit('UPDATE t SET n = n + 1')
    while (Number(n(other)) === start) await replica.refresh()
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

  const one = (connection: Connection, sql: string) => connection.rows(sql)[0]?.[0]

  test('the SQL functions have the documented names and result types, and refuse wrong arguments', async () => {
    await using replica = await openReplica(fixture.live)
    const remote = open(replica.uri, true)
    const types = (call: string) => one(remote, `SELECT typeof(${call})`)
    for (const name of ['txid', 'time', 'stats', 'error']) assert.equal(types(`litestream_${name}()`), 'text', name)
    assert.equal(types('litestream_lag()'), 'integer')
    assert.match(String(one(remote, 'SELECT LiteStream_TXID()')), /^[0-9a-f]{16}$/)
    const set = one(remote, "SELECT litestream_set_time('0000000000000001')")
    assert.match(String(set), /^\d{4}-.*Z$/)
    assert.equal(one(remote, 'SELECT litestream_time()'), set)
    assert.equal(one(remote, 'SELECT litestream_txid()'), '0000000000000001')
    assert.deepEqual(remote.rows('SELECT max(n) FROM t'), [[0]])
    for (const [call, message] of [
      ["litestream_set_time('x')", /^invalid time.*x/],
      ['litestream_set_time(NULL)', /^timestamp required$/],
      ["litestream_set_time('1999-12-31T00:00:00Z')", /no matching backup files available/],
      ["litestream_set_time('00000000000ffff0')", /no matching backup files available for TXID 00000000000ffff0/],
      ['litestream_set_time()', /wrong number of arguments to function litestream_set_time\(\)/],
      ['litestream_txid(1)', /wrong number of arguments to function litestream_txid\(\)/],
      ['litestream_nothing()', /no such function: litestream_nothing/],
    ] as const) {
      assert.throws(() => remote.rows(`SELECT ${call}`), { message }, call)
    }
    // A view that an attacker may have put into the database cannot make the reader travel.
    assert.throws(() => remote.rows('SELECT * FROM moved'), /unsafe use of litestream_set_time\(\)/)
    assert.deepEqual(remote.rows('SELECT max(n) FROM t'), [[0]])
    one(remote, "SELECT litestream_set_time('latest')")
    assert.ok(Number(one(remote, 'SELECT max(n) FROM t')) >= 1)
    remote.close()
  })

  test('every PRAGMA returns one named text column, even a PRAGMA that sets a value, and an invalid value is an error', async () => {
    await using replica = await openReplica(fixture.live)
    const remote = open(replica.uri, true)
    for (const name of ['txid', 'time', 'lag', 'stats', 'error', 'hydration_progress', 'hydration_file']) {
      const sql = `PRAGMA litestream_${name}`
      assert.equal(typeof one(remote, sql), 'string', sql)
      assert.equal(typeof remote.columns(sql)[0], 'string', sql)
      assert.deepEqual(remote.rows(sql.toUpperCase()).length, 1)
    }
    for (const target of ['0000000000000001', 'LATEST', 'now']) {
      const sql = `PRAGMA litestream_time = '${target}'`
      assert.match(String(one(remote, sql)), /^\d{4}-.*Z$/)
      assert.equal(typeof remote.columns(sql)[0], 'string')
    }
    for (const name of ['txid', 'lag', 'stats', 'error', 'hydration_progress', 'hydration_file']) {
      assert.throws(() => remote.exec(`PRAGMA litestream_${name} = 1`), { message: `litestream_${name} is read-only` })
    }
    assert.throws(() => remote.exec("PRAGMA litestream_time = 'x'"), { message: /^invalid timestamp/ })
    // As SQLite does with any it does not know.
    assert.deepEqual(remote.rows('PRAGMA litestream_nothing'), [])
    remote.close()
  })

  test('the handle, the SQL function and the PRAGMA return equal statistics', async () => {
    await using replica = await openReplica(url, { cacheSize: '3MiB' })
    const remote = open(replica.uri, true)
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    const [stats, viaFunction, viaPragma] = [
      replica.stats(),
      JSON.parse(String(one(remote, 'SELECT litestream_stats()'))),
      JSON.parse(String(one(remote, 'PRAGMA litestream_stats'))),
    ]
    assert.deepEqual(viaFunction, viaPragma)
    const { hits, misses, crossings, readers, pageSize } = stats
    assert.ok(hits > 0 && readers === 1)
    assert.deepEqual(
      [viaFunction.hits, viaFunction.misses, viaFunction.crossings, viaFunction.pageSize, viaFunction.pages],
      [hits, misses, crossings, pageSize, stats.commit],
    )
    remote.close()
  })

  test('the PRAGMAs report the progress and the path of a local copy', async () => {
    const copy = path.join(fixture.directory, `copy-${process.pid}.db`)
    await using replica = await openReplica(url, { hydrate: copy })
    const remote = open(replica.uri, true)
    assert.equal(one(remote, 'PRAGMA litestream_hydration_file'), copy)
    assert.match(String(one(remote, 'PRAGMA litestream_hydration_progress')), /^\d+\.\d$/)
    await replica.whenHydrated()
    assert.equal(one(remote, 'PRAGMA litestream_hydration_progress'), '100.0')
    const { crossings } = replica.stats()
    const other = open(replica.uri, true)
    for (const sql of queries) assert.deepEqual(other.rows(sql), open(file, true).rows(sql), sql)
    assert.equal(replica.stats().crossings, crossings)
    for (const each of [remote, other]) each.close()
  })

  test("an error of the driver has SQLite's error code, and litestream_error() returns the reason", async () => {
    await using replica = await openReplica(fixture.damaged)
    const remote = open(replica.uri, true)
    assert.throws(() => remote.rows('SELECT sum(length(v)) FROM a'), /disk I\/O error/)
    assert.match(String(one(remote, 'SELECT litestream_error()')), /^LTX_CORRUPT: .*level 0 0000000000000001-.*\.ltx/)
    assert.equal(one(remote, 'PRAGMA litestream_error'), one(remote, 'SELECT litestream_error()'))
    assert.deepEqual(remote.rows('SELECT id FROM a WHERE id = 1'), [[1]])
    remote.close()
    assert.throws(() => open('file:app.db?vfs=litestream&replica_id=4711', true), /the replica of this URI is closed/)
  })

  test('the driver’s error names the wrong URI parameter, both for a replica opened to read and for one opened to write', () => {
    for (const [parameters, message] of [
      ['cache_sise=1', /unknown replica parameter "cache_sise"\. Did you mean cache_size\?/],
      ['write_enabled=maybe', /write_enabled: "maybe" is not/],
      ['write_enabled=true&durability=sometimes', /durability: "sometimes" is not "store" or "local"/],
      ['write_enabled=true&sync_interval=fast', /sync_interval: .*"fast"/],
      ['nolock=1', /nolock=1 cannot be used with a replica/],
      // Where SQLite parses the URI, it fails before it calls an extension.
      ['immutable=1', /immutable=1 cannot be used|unable to open database file/],
      ['at=0000000000000099', /99/],
    ] as const) {
      const uri = `file:app.db?vfs=litestream&replica_url=${encodeURIComponent(url)}&${parameters}`
      for (const readonly of [true, false]) assert.throws(() => open(uri, readonly), message)
    }
    assert.throws(() => open(`file:app.db?replica_url=${encodeURIComponent(url)}`), /has no vfs=litestream/)
  })

  test('an open replica does not affect ordinary databases in its process, even databases in WAL mode', async () => {
    const plain = path.join(fixture.directory, `plain-${process.pid}.db`)
    const before = open(plain)
    before.exec('PRAGMA journal_mode=wal; CREATE TABLE x (y); INSERT INTO x VALUES (1)')
    await using replica = await openReplica(url)
    const remote = open(replica.uri, true)
    const after = open(plain)
    after.exec('INSERT INTO x VALUES (2)')
    assert.deepEqual(before.rows('SELECT sum(y) FROM x'), [[3]])
    assert.deepEqual(before.rows('PRAGMA journal_mode'), [['wal']])
    for (const each of [before, after]) {
      assert.throws(() => each.rows('SELECT litestream_txid()'), /no such function/)
      assert.deepEqual(each.rows('PRAGMA litestream_txid'), [])
    }
    assert.throws(() => open('file:x?vfs=litestream&replica_url=none%3A%2F%2Fx', true), /INVALID_URL: /)
    assert.deepEqual(remote.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    // In one transaction with it: what is read there, what is written here.
    after.exec(`ATTACH '${replica.uri}' AS replica`)
    after.exec('BEGIN; INSERT INTO x SELECT id FROM replica.a; UPDATE x SET y = y + 1')
    assert.throws(() => after.exec('DELETE FROM replica.a'), /readonly/)
    assert.deepEqual(before.rows('SELECT count(*) FROM x'), [[2]])
    after.exec('COMMIT; DETACH replica')
    assert.deepEqual(before.rows('SELECT count(*) FROM x'), [[2 + fixture.rows]])
    assert.deepEqual(after.rows('PRAGMA wal_checkpoint(TRUNCATE)'), [[0, 0, 0]])
    assert.deepEqual(after.rows('PRAGMA integrity_check'), [['ok']])
    for (const each of [remote, after, before]) each.close()
  })

  test('an attached replica answers PRAGMAs under its schema name, supports time travel and can be detached', async () => {
    await using live = await openReplica(fixture.live)
    await using still = await openReplica(url)
    const local = open(':memory:')
    assert.throws(() => local.rows('SELECT litestream_txid()'), /no such function/)
    local.exec(`ATTACH '${live.uri}' AS live; ATTACH '${still.uri}' AS still`)
    const newest = one(local, 'PRAGMA live.litestream_txid')
    assert.equal(one(local, 'PRAGMA still.litestream_txid'), '0000000000000001')
    assert.equal(one(local, 'SELECT litestream_txid()'), newest)
    one(local, "PRAGMA live.litestream_time = '0000000000000001'")
    assert.deepEqual(local.rows('SELECT max(n), (SELECT count(*) FROM still.a) FROM live.t'), [[0, fixture.rows]])
    one(local, "PRAGMA live.litestream_time = 'LATEST'")
    assert.equal(one(local, 'PRAGMA live.litestream_txid'), newest)
    local.exec('BEGIN')
    local.exec('CREATE TABLE own AS SELECT k FROM still.a')
    assert.throws(() => local.exec('INSERT INTO live.t VALUES (9)'), /readonly/)
    local.exec('COMMIT; DETACH live; DETACH still')
    assert.throws(() => local.rows('SELECT litestream_txid()'), /no replica is open on this connection/)
    assert.deepEqual(local.rows('SELECT count(*) FROM own'), [[fixture.rows]])
    local.close()
  })

  test('a connection creates a replica, changes the replica and rolls back, and connections that were opened earlier read the new commits', async () => {
    const written = pathToFileURL(path.join(fixture.directory, `written-${process.pid}`)).href
    await using replica = await openReplica(written, { write: true })
    const [writer, reader] = [open(replica.uri), open(replica.uri)]
    writer.exec('PRAGMA page_size = 1024; CREATE TABLE t (x INTEGER PRIMARY KEY, v BLOB)')
    writer.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (1, randomblob(3000)), (2, 'two'); SAVEPOINT s; DELETE FROM t")
    assert.deepEqual(reader.rows('SELECT count(*) FROM t'), [[0]])
    writer.exec('ROLLBACK TO s; COMMIT')
    assert.deepEqual(reader.rows('SELECT x, length(v) FROM t'), writer.rows('SELECT x, length(v) FROM t'))
    writer.exec('BEGIN; DELETE FROM t; ROLLBACK')
    assert.throws(() => writer.exec('INSERT INTO t VALUES (1, 1)'), /UNIQUE/)
    assert.deepEqual(writer.rows('INSERT INTO t VALUES (3, 3) RETURNING x'), [[3]])
    assert.deepEqual(reader.rows('SELECT litestream_txid()'), [['0000000000000003']])
    writer.exec('DELETE FROM t WHERE x = 1; VACUUM')
    assert.deepEqual(reader.rows('PRAGMA integrity_check'), [['ok']])
    assert.deepEqual(reader.rows('SELECT group_concat(x) FROM t'), [['2,3']])
    for (const each of [writer, reader]) each.close()
  })

  test('32 connections can be closed in any order, both before and after the replica handle is closed', async () => {
    const replica = await openReplica(url, { cacheSize: '5MiB' })
    const all = Array.from({ length: 32 }, () => open(replica.uri, true))
    for (const each of all) assert.deepEqual(each.rows('SELECT count(*) FROM a'), [[fixture.rows]])
    assert.equal(replica.stats().readers, 32)
    for (let i = 0; i < 32; i += 2) all[(i * 7) % 32]!.close()
    assert.equal(replica.stats().readers, 16)
    const closing = replica.close()
    for (let i = 31; i > 0; i -= 2) {
      assert.deepEqual(all[i]!.rows('SELECT count(*) FROM a'), [[fixture.rows]])
      all[i]!.close()
    }
    await closing
    assert.throws(() => replica.stats(), { code: 'REPLICA_CLOSED' })
    assert.throws(() => open(replica.uri, true), /the replica of this URI is closed/)
  })
}
