// The VFS as SQLite itself calls it, through a C extension: locks, the size, the header, the lock
// page.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { LtxEncoder } from '../../src/ltx/encoder.js'
import { lockPgno } from '../../src/ltx/format.js'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { cleanUp } from '../support/clean-up.js'
import { compileProbe } from '../support/probe.js'
import { connect, integrity, makeSource, openTestReplica, value } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const [OK, READONLY, SHORT_READ] = [0, 8, 522]
const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO t SELECT i, hex(randomblob(100)) FROM n;`

const probe = compileProbe()

/** A connection with the extension's functions. */
function connectProbe(t: TestContext, uri: string): Database.Database {
  const db = connect(t, uri)
  db.loadExtension(probe)
  return db
}

const read = (db: Database.Database, offset: number, size: number) =>
  value(db, 'SELECT probe_read(?, ?)', offset, size) as Buffer | number

test('a read-only connection gets no lock above SHARED, and xUnlock lowers a lock to SHARED or to none', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connectProbe(t, replica.uri)
  const locks = (script: string) => value(db, 'SELECT probe_locks(?)', script)
  // SHARED, SHARED again, "NONE" (which releases nothing), RESERVED, PENDING, EXCLUSIVE; back to
  // SHARED, to none, and again.
  assert.equal(locks('l1 l1 l0 l2 l3 l4'), [OK, OK, OK, READONLY, READONLY, READONLY].join(' '))
  const reader = connect(t, replica.uri)
  await history.commit("UPDATE t SET v = 'new'")
  await until('TXID 2 is seen', () => value(reader, 'SELECT litestream_txid()') === '0000000000000002')
  assert.equal(value(db, 'SELECT litestream_txid()'), '0000000000000001')
  assert.equal(locks('u1'), '0')
  assert.equal(value(db, 'SELECT litestream_txid()'), '0000000000000001')
  assert.equal(locks('u0 u0'), '0 0')
  assert.equal(value(db, 'SELECT litestream_txid()'), '0000000000000002')
  assert.equal(value(db, "SELECT count(*) FROM t WHERE v = 'new'"), 500)
})

test('in each view, the database header has rollback journal mode and a change counter that represents the TXID', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, url] = [path.join(directory, 'app.db'), pathToFileURL(path.join(directory, 'replica')).href]
  const app = new Database(file)
  cleanUp(t, () => app.close())
  app.pragma('journal_mode=wal')
  app.exec(SEED)
  await replicateOnce(file, url)
  const replica = await openTestReplica(t, url)
  const db = connectProbe(t, replica.uri)
  const page = () => read(db, 0, 4096) as Buffer
  const first = page()
  app.pragma('wal_checkpoint(TRUNCATE)')
  const local = readFileSync(file).subarray(0, 4096)
  assert.deepEqual([...local.subarray(18, 20)], [2, 2])
  assert.deepEqual([...first.subarray(18, 20)], [1, 1])
  assert.deepEqual(first.subarray(24, 28), first.subarray(92, 96))
  assert.equal(first.readUInt32BE(28), app.pragma('page_count', { simple: true }))
  const rewritten = new Set([18, 19, ...[0, 1, 2, 3].flatMap((i) => [24 + i, 28 + i, 92 + i])])
  for (let at = 0; at < 4096; at++) if (!rewritten.has(at)) assert.equal(first[at], local[at], `byte ${at}`)
  // In part as in whole, again and again, on any connection.
  assert.deepEqual(read(db, 24, 16), first.subarray(24, 40))
  assert.deepEqual(read(db, 0, 100), first.subarray(0, 100))
  value(db, 'SELECT count(*) FROM t')
  assert.deepEqual(page(), first)
  assert.deepEqual(read(connectProbe(t, replica.uri), 0, 4096), first)
  app.exec("UPDATE t SET v = 'new'")
  await replicateOnce(file, url)
  assert.equal(await replica.refresh(), 2)
  assert.ok(page().readUInt32BE(24) > first.readUInt32BE(24))
  assert.deepEqual(page().subarray(24, 28), page().subarray(92, 96))
})

test('reserved bytes at the end of the primary’s pages are kept in the replica', async (t) => {
  const { url, history } = await makeSource(t)
  history.db.loadExtension(probe)
  history.db.prepare('SELECT probe_reserve(32)').get()
  await history.commit(`${SEED} VACUUM`)
  assert.equal(history.bytes[20], 32)
  const db = connectProbe(t, (await openTestReplica(t, url)).uri)
  assert.equal((read(db, 0, 100) as Buffer)[20], 32)
  assert.deepEqual(db.prepare('SELECT * FROM t').all(), history.db.prepare('SELECT * FROM t').all())
  assert.equal(integrity(db), 'ok')
})

test('the database size that SQLite reads is the page count of the view, and reading it needs no request to the worker', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const db = connectProbe(t, replica.uri)
  const size = () => value(db, 'SELECT probe_file_size()')
  const { crossings } = replica.stats()
  assert.equal(size(), history.bytes.length)
  assert.equal(read(db, history.bytes.length, 4096), SHORT_READ)
  assert.equal(replica.stats().crossings, crossings)
  db.exec('BEGIN')
  value(db, 'SELECT count(*) FROM t')
  const before = history.bytes.length
  await history.commit('DELETE FROM t WHERE id > 50; VACUUM')
  await until('TXID 2 is seen', async () => (await replica.refresh()) === 2)
  assert.equal(size(), before)
  db.exec('COMMIT')
  assert.equal(size(), history.bytes.length)
  assert.ok(history.bytes.length < before)
})

/**
 * A file that adds pages to a database of `from` pages: zeros, and before and behind the lock page,
 * the last two, `pages`.
 */
async function* grownTo(commit: number, from: number, pageSize: number, pages: Uint8Array): AsyncGenerator<Uint8Array> {
  const encoder = new LtxEncoder({ pageSize, commit, minTxid: 2, maxTxid: 2 })
  yield encoder.start()
  const zeros = new Uint8Array(2 ** 20)
  const most = zeros.length / pageSize
  for (let first = from + 1; first < commit - 2; first += most) {
    const count = Math.min(most, commit - 2 - first)
    const pgnos = Uint32Array.from({ length: count }, (_, i) => first + i)
    yield encoder.pages(pgnos, zeros.subarray(0, count * pageSize))
  }
  yield encoder.pages(Uint32Array.of(commit - 2, commit), pages)
  yield encoder.finish()
}

for (const pageSize of [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]) {
  test(`in a database with pages of ${pageSize} bytes, the lock page reads as zeros, and the neighbouring pages read as stored`, async (t) => {
    const { url, history, client } = await makeSource(t, { pageSize })
    await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY)')
    // A second file makes the database end behind its lock page; what lies between are zeros.
    const lock = lockPgno(pageSize)
    const pages = randomBytes(2 * pageSize)
    const stream = grownTo(lock + 1, history.bytes.length / pageSize, pageSize, pages)
    await client.write({ level: 0, minTxid: 2, maxTxid: 2 }, stream, { timestamp: history.time + 1000 })
    const replica = await openTestReplica(t, url)
    const db = connectProbe(t, replica.uri)
    const page = (pgno: number) => read(db, (pgno - 1) * pageSize, pageSize)
    assert.deepEqual(page(lock - 1), pages.subarray(0, pageSize))
    assert.deepEqual(page(lock + 1), pages.subarray(pageSize))
    const { crossings } = replica.stats()
    assert.deepEqual(page(lock), Buffer.alloc(pageSize))
    assert.equal(replica.stats().crossings, crossings)
    assert.equal(value(db, 'SELECT probe_file_size()'), (lock + 1) * pageSize)
  })
}

test('every PRAGMA returns a named text column, as the SQLite driver of Python requires', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const db = connectProbe(t, (await openTestReplica(t, url)).uri)
  for (const pragma of [
    'litestream_txid',
    'litestream_lag',
    'litestream_time',
    'litestream_stats',
    'litestream_error',
    'litestream_hydration_file',
    'litestream_hydration_progress',
    "litestream_time='0000000000000001'",
    "litestream_time='LATEST'",
  ]) {
    assert.doesNotMatch(String(value(db, 'SELECT probe_row(?)', `PRAGMA ${pragma}`)), /NULL|no row/, pragma)
  }
})
