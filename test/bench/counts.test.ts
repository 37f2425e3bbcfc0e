// Asserts the counts of the benchmarks: requests, round trips and bytes, never times. The store is
// the real S3 server behind the counting proxy, which runs in a separate process and adds some
// latency, so that concurrent requests are recognizable.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, afterEach, before, type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { dataset, SIZES } from '../../bench/support/dataset.js'
import { LocalReader, ReplicaReader } from '../../bench/support/driver-reader.js'
import { LOOKUP, QUERIES } from '../../bench/support/queries.js'
import { Random } from '../../bench/support/random.js'
import { Stage } from '../../bench/support/stage.js'
import type { ReplicaOptions } from '../../src/index.js'
import { makeSource } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

/** Milliseconds: enough that responses arrive in the order of the round trips. */
const LATENCY = 20

const data = dataset(SIZES['10 MB'])
let stage: Stage
const readers: ReplicaReader[] = []

/**
 * By default it does not poll during a test, so that only the test's requests are counted. It is
 * closed after the test, in success and failure, so that the next test finds no resident pages.
 */
function newReader(options: ReplicaOptions = {}, path = 'app.db'): ReplicaReader {
  const reader = new ReplicaReader(stage.url(path), { pollInterval: '1h', hedge: false, ...options })
  readers.push(reader)
  return reader
}

async function closeReaders(): Promise<void> {
  for (const reader of readers.splice(0)) await reader.close()
}

before(async () => {
  stage = await Stage.start()
  await stage.publish('app.db', data.file)
  await stage.proxy.latency(LATENCY)
})
afterEach(closeReaders)
after(() => stage?.close())

/**
 * The most GETs, bytes and round trips that the first execution of a query may cost. If several
 * index entries lead to one page of a small table, the query's current entry is known only later,
 * and the query may cost a few more round trips than three.
 */
const COLD: Readonly<Record<string, { readonly gets: number; readonly rounds: number; readonly bytes: number }>> = {
  'post + user': { gets: 2, rounds: 2, bytes: 8e3 },
  profile: { gets: 10, rounds: 3, bytes: 250e3 },
  'who liked': { gets: 12, rounds: 8, bytes: 250e3 },
  'mutual friends': { gets: 8, rounds: 8, bytes: 250e3 },
  'indexed filter': { gets: 1, rounds: 1, bytes: 130e3 },
  // 1,422 pages of 4.3 MB, compressed: the official VFS sends 1,422 GETs.
  'full scan': { gets: 10, rounds: 5, bytes: 5e6 },
}

/**
 * The interior pages, which are prefetched in the background after an opening, are excluded: on a
 * busy machine their first request would be counted.
 */
const OPENING_ALONE: ReplicaOptions = { readAhead: ['scan', 'leaves', 'rows', 'changes'] }

test('a process opens a replica and reads its first row after two round trips: one for the listing and one for the page indexes', async () => {
  // The first requests of a process are sent slowly; none of them should count as waiting for
  // another's response.
  await stage.proxy.latency(200)
  const { traffic } = await stage.traffic(() => newReader(OPENING_ALONE).open())
  await stage.proxy.latency(LATENCY)
  assert.ok(traffic.rounds <= 2, `${traffic.rounds} round trips`)
  assert.ok(traffic.requests <= 5, `${traffic.requests} requests`)
  assert.ok(traffic.bytes < 200 * 1024, `${traffic.bytes} bytes`)

  await closeReaders()
  const reader = newReader()
  await reader.open()
  await reader.settled()
  const again = newReader()
  assert.equal((await stage.traffic(() => again.open())).traffic.requests, 0, 'a second connection asks for nothing')
})

test('opening a replica of a hundred files takes no more round trips than opening a replica of one file', async (t) => {
  const { history } = await makeSource(t, { url: stage.directUrl('many.db') })
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, a)')
  for (let i = 2; i <= 100; i++) await history.commit(`INSERT INTO t (a) VALUES ('${'x'.repeat(i)}')`)
  // A hundred requests are sent one after another; none of them should wait until another is
  // answered.
  await stage.proxy.latency(400)
  const reader = newReader(OPENING_ALONE, 'many.db')
  const { traffic } = await stage.traffic(() => reader.open())
  await stage.proxy.latency(LATENCY)
  assert.ok(traffic.rounds <= 2, `${traffic.rounds} round trips`)
  assert.equal(traffic.requests, 103)
})

for (const query of QUERIES) {
  test(`a query with an empty page cache takes at most the expected number of GETs, bytes and round trips: ${query.name}`, async () => {
    const random = new Random(3)
    const local = new LocalReader(data.file)
    await local.open()
    for (let i = 0; i < (query.scan ? 1 : 5); i++) {
      const reader = newReader()
      await reader.open()
      await reader.settled()
      const key = query.parameters(random, data)
      const { result, traffic } = await stage.traffic(() => reader.run(query.sql, [key], { rows: true }))
      assert.deepEqual(result.rows, (await local.run(query.sql, [key], { rows: true })).rows)
      const { gets, rounds, bytes } = COLD[query.name]!
      assert.ok(traffic.gets <= gets, `${traffic.gets} GETs for ${key}`)
      assert.ok(traffic.bytes <= bytes, `${traffic.bytes} bytes for ${key}`)
      assert.ok(traffic.rounds <= rounds, `${traffic.rounds} round trips for ${key}`)
      assert.equal(traffic.requests, traffic.gets)
      await closeReaders()
    }
    await local.close()
  })
}

test('a scan of a table fetches only slightly more bytes than the table’s pages have', async () => {
  const reader = newReader()
  await reader.open()
  const { traffic } = await stage.traffic(() => reader.run('SELECT sum(length(content)) FROM posts', [[]]))
  // The table is 1,422 pages, 4.3 MB compressed.
  assert.ok(traffic.bytes < 5e6, `${traffic.bytes} bytes`)
})

test('for each kind of prefetch, the statistics count the pages that were read and the pages that were evicted unread', async () => {
  const reader = newReader({ cacheSize: '2MiB' })
  await reader.open()
  await reader.settled()
  await reader.run('SELECT sum(length(content)) FROM posts', [[]])
  const { scan, rows } = reader.replica.stats().readAhead
  assert.ok(scan.used > 1000, `${scan.used} pages used`)
  assert.ok(scan.brought >= scan.used + scan.wasted)
  assert.deepEqual(rows, { brought: 0, used: 0, wasted: 0 })
  const sql = reader.db.pragma('litestream_stats', { simple: true }) as string
  assert.deepEqual(JSON.parse(sql).readAhead, reader.replica.stats().readAhead)

  const index = newReader({ cacheSize: '2MiB' })
  await index.open()
  // Scattered look-ups prefetch the leaves around them, most of which a scan evicts unread.
  for (let i = 1; i < 12; i++) await index.run('SELECT content FROM posts WHERE id = ?', [[i * 200]])
  await index.settled()
  const { leaves } = index.replica.stats().readAhead
  assert.ok(leaves.brought > leaves.used, `${leaves.used} of ${leaves.brought} used`)
  await index.run('SELECT sum(user_id) FROM likes', [[]])
  const after = index.replica.stats().readAhead.leaves
  assert.ok(after.wasted > 0 && after.used + after.wasted <= after.brought, JSON.stringify(after))
})

test('after a replica is opened, the reader prefetches the interior pages, so that a look-up of one row fetches only one leaf page', async () => {
  const reader = newReader()
  await reader.open()
  await reader.settled()
  const { interior } = reader.replica.stats().readAhead
  assert.ok(interior.brought > 5 && interior.brought < 100, `${interior.brought} pages`)
  const { result, traffic } = await stage.traffic(() =>
    reader.run('SELECT user_id FROM likes WHERE id = ?', [[31_234]], { rows: true }),
  )
  assert.equal(result.rows!.length, 1)
  assert.equal(traffic.gets, 1)

  const without = newReader({ readAhead: ['scan', 'leaves', 'rows', 'changes'] })
  await without.open()
  assert.equal((await without.replica.workerStats()).underWay, 0)
})

/** A table of a thousand incompressible pages, and a reader that has read it. */
async function following(t: TestContext, path: string, options: ReplicaOptions) {
  const { history } = await makeSource(t, { url: stage.directUrl(path) })
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, randomblob(3500) FROM n`)
  const reader = newReader(options, path)
  await reader.open()
  await reader.settled()
  const sum = async () => (await reader.run('SELECT sum(length(a)), max(hex(a)) FROM t', [[]], { rows: true })).rows
  await sum()
  const write = async (from: number, count: number) => {
    await history.commit(`UPDATE t SET a = randomblob(3500) WHERE id BETWEEN ${from} AND ${from + count - 1}`)
    return [Object.values(history.db.prepare('SELECT sum(length(a)), max(hex(a)) FROM t').get() as object)]
  }
  return { reader, sum, write }
}

test('a poll fetches the changed resident pages with one LIST and one GET, so that later reads of these pages do not call JavaScript', async (t) => {
  const { reader, sum, write } = await following(t, 'changes.db', {})
  for (let i = 0; i < 3; i++) {
    const expected = await write(1 + i * 100, 100)
    const { traffic } = await stage.traffic(() => reader.replica.refresh())
    assert.deepEqual([traffic.lists, traffic.gets], [1, 1])
    const { crossings } = reader.replica.stats()
    assert.deepEqual(await sum(), expected)
    assert.equal(reader.replica.stats().crossings, crossings)
  }
  const { changes } = reader.replica.stats().readAhead
  assert.ok(changes.used >= 300, JSON.stringify(changes))
})

test('if a poll cannot fetch all changed pages, later reads fetch the missing pages together, with few GETs', async (t) => {
  const { reader, sum, write } = await following(t, 'many-changes.db', {})
  const expected = await write(1, 800)
  const { traffic } = await stage.traffic(async () => {
    await reader.replica.refresh()
    assert.deepEqual(await sum(), expected)
  })
  assert.ok(traffic.gets <= 4, `${traffic.gets} GETs`)
})

test('a poll fetches a commit of 400 pages into the local copy with one LIST and one GET', async (t) => {
  const hydrate = path.join(temporaryDirectory(t), 'copy.db')
  const { reader, sum, write } = await following(t, 'followed.db', { hydrate })
  await reader.replica.whenHydrated()
  for (let i = 0; i < 2; i++) {
    const expected = await write(1 + i * 400, 400)
    const { traffic } = await stage.traffic(async () => {
      await reader.replica.refresh()
      await until('the copy is whole', () => reader.replica.stats().hydration === 1)
      assert.deepEqual(await sum(), expected)
    })
    assert.deepEqual([traffic.lists, traffic.gets], [1, 1])
  }
})

test('after a restart with a disk cache, the reader sends only LISTs to the store', async (t) => {
  const diskCache = temporaryDirectory(t)
  for (const first of [true, false]) {
    const reader = newReader({ diskCache })
    const { traffic } = await stage.traffic(async () => {
      await reader.open()
      await reader.settled()
      return reader.run('SELECT count(*) FROM users', [[]])
    })
    // A LIST for each of the two dense levels and one for all above them, at once.
    if (!first) assert.deepEqual([traffic.gets, traffic.lists], [0, 3])
    await closeReaders()
  }
})

test('without prefetch, the reader sends one GET for each page', async () => {
  const reader = newReader({ readAhead: 'none' })
  await reader.open()
  const before = (await reader.replica.workerStats()).fetch
  const { traffic } = await stage.traffic(() => reader.run('SELECT sum(length(about)) FROM users', [[]]))
  const after = (await reader.replica.workerStats()).fetch
  assert.equal(traffic.gets, after.pagesWanted - before.pagesWanted)
  assert.equal(after.pagesAhead, before.pagesAhead)
  assert.ok(traffic.gets > 50, `${traffic.gets} GETs`)
})

test('reads of resident pages send no request to the store and do not call JavaScript', async () => {
  const reader = newReader()
  await reader.open()
  const random = new Random(4)
  const runs = [LOOKUP, ...QUERIES].map(({ sql, parameters }) => ({
    sql,
    keys: Array.from({ length: 20 }, () => parameters(random, data)),
  }))
  for (const { sql, keys } of runs) await reader.run(sql, keys)
  await reader.settled()
  // A second connection has nothing in SQLite's own cache.
  const db = new Database(reader.replica.uri, { readonly: true })
  const { crossings } = reader.replica.stats()
  await stage.proxy.reset()
  for (const { sql, keys } of runs) for (const key of keys) db.prepare(sql).all(...key)
  assert.equal(reader.replica.stats().crossings, crossings)
  assert.equal((await stage.counted()).requests, 0)
  db.close()
})

test("for any number of connections, an idle replica sends one LIST per poll, which begins at the reader's TXID", async () => {
  const reader = newReader({ pollInterval: 100 })
  await reader.open()
  const others = Array.from({ length: 8 }, () => new Database(reader.replica.uri, { readonly: true }))
  for (const db of others) db.prepare('SELECT count(*) FROM users').get()
  await reader.settled()
  await stage.proxy.reset()
  await until('ten polls', async () => (await stage.counted()).requests >= 11)
  const seen = await stage.proxy.seen()
  assert.deepEqual([...new Set(seen.map(({ kind }) => kind))], ['LIST'])
  // A state that ends in a snapshot looks at the snapshots too, every tenth time.
  const raw = seen.filter(({ url }) => decodeURIComponent(url).includes('prefix=app.db/0000/'))
  assert.ok(seen.length - raw.length <= Math.ceil(seen.length / 10), `${seen.length - raw.length} of ${seen.length}`)
  for (const { url } of raw) assert.match(url, /start-after=/)
  for (const db of others) db.close()
})
