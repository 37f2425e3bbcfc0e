// A primary that commits as fast as it can, and readers on many connections and threads.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { replicate } from '../../src/primary/replicate.js'
import { cleanUp } from '../support/clean-up.js'
import { makeProxiedSource } from '../support/proxied-source.js'
import { ReaderThread } from '../support/reader-thread.js'
import { connect, makeSource, openTestReplica, value } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const ROWS = 100
const COMMITS = 120
const STATE = 'SELECT count(*), min(n), max(n), litestream_txid() FROM t'

test('while two writers replace every row 120 times, eight readers never see a partial state or go back to an older state', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, url] = [path.join(directory, 'app.db'), pathToFileURL(path.join(directory, 'replica')).href]
  const writers = [new Database(file), new Database(file)]
  for (const db of writers) {
    cleanUp(t, () => db.close())
    db.pragma('synchronous=off')
  }
  writers[0]!.pragma('journal_mode=wal')
  writers[0]!.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)')
  const replaceAll = (db: Database.Database, n: number) =>
    db.transaction(() => {
      db.exec('DELETE FROM t')
      const insert = db.prepare('INSERT INTO t (n) VALUES (?)')
      for (let i = 0; i < ROWS; i++) insert.run(n)
    })()
  replaceAll(writers[0]!, 0)
  const replication = await replicate(file, url)
  cleanUp(t, () => replication.close())
  await replication.sync({ wait: true })

  const replica = await openTestReplica(t, url, { pollInterval: 5 })
  const readers = await Promise.all(Array.from({ length: 8 }, () => ReaderThread.open(t, replica.uri)))
  // One holds a transaction through all of it.
  const held = await ReaderThread.open(t, replica.uri, ['BEGIN'])
  assert.equal(await held.value('SELECT max(n) FROM t'), 0)
  let writing = true
  const reading = readers.map(async (reader) => {
    let [answers, newest, last] = [0, -1, '']
    while (writing) {
      const answer = await reader.ask(STATE)
      assert.ok('rows' in answer, JSON.stringify(answer))
      const [count, min, max, txid] = answer.rows[0] as [number, number, number, string]
      assert.deepEqual([count, min], [ROWS, max])
      assert.ok(max >= newest && txid >= last, `${max} at ${txid} after ${newest} at ${last}`)
      newest = max
      last = txid
      answers++
    }
    return answers
  })
  for (let n = 1; n <= COMMITS; n++) {
    replaceAll(writers[n % 2]!, n)
    if (n % 4 === 0) await replication.sync()
  }
  await replication.sync({ wait: true })
  await replica.refresh()
  writing = false
  for (const answers of await Promise.all(reading)) assert.ok(answers > 10, `${answers} answers`)
  for (const reader of readers) assert.equal(await reader.value('SELECT max(n) FROM t'), COMMITS)
  assert.equal(await held.value('SELECT sum(n) FROM t'), 0)
  await held.ask('COMMIT')
  assert.equal(await held.value('SELECT max(n) FROM t'), COMMITS)
})

test('during 200 updates of one row, each read returns the value of the previous read or a newer one, and the final read returns the last value', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)')
  const replica = await openTestReplica(t, url, { pollInterval: 5 })
  const db = connect(t, replica.uri)
  let newest = 0
  for (let n = 1; n <= 200; n++) {
    await history.commit('UPDATE t SET n = n + 1')
    const seen = Number(value(db, 'SELECT n FROM t'))
    assert.ok(seen >= newest && seen <= n)
    newest = seen
  }
  assert.equal(await replica.refresh(), history.txid)
  assert.equal(value(db, 'SELECT n FROM t'), 200)
})

test('while the primary commits, a hundred queries on four threads return correct results', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT); CREATE INDEX i ON t (n, id);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      INSERT INTO t SELECT i, 0, hex(randomblob(100)) FROM n`)
  // Memory for few pages: the index of the replica is asked again and again.
  const replica = await openTestReplica(t, url, { pollInterval: 5, cacheSize: 64 * 4096 })
  const threads = await Promise.all(
    Array.from({ length: 4 }, () => ReaderThread.open(t, replica.uri, ['PRAGMA cache_size=5'])),
  )
  const asking = threads.map(async (thread, i) => {
    for (let k = 0; k < 25; k++) {
      const low = ((i * 25 + k) * 17) % 1500
      const sql = `SELECT count(v), count(DISTINCT n) FROM t WHERE id > ${low} AND id <= ${low + 400}`
      const answer = await thread.ask(sql)
      assert.deepEqual('rows' in answer ? answer.rows : answer, [[400, 1]])
    }
  })
  for (let n = 1; n <= 20; n++) await history.commit(`UPDATE t SET n = ${n}`)
  await Promise.all(asking)
})

test('32 connections share one page index, one cache and one poller, and send no more requests than one connection', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      INSERT INTO t SELECT i, hex(randomblob(200)) FROM n`)
  const replica = await openTestReplica(t, url)
  const sql = 'SELECT count(v) FROM t'
  const first = connect(t, replica.uri)
  assert.equal(value(first, sql), 2000)
  const { fetch, indexBytes, views } = await replica.workerStats()
  const { cacheBytes, crossings } = replica.stats()
  const others = Array.from({ length: 31 }, () => connect(t, replica.uri))
  for (const db of others) assert.equal(value(db, sql), 2000)
  const now = await replica.workerStats()
  assert.equal(replica.stats().readers, 32)
  assert.deepEqual(
    [now.fetch.requests, now.indexBytes, now.views, replica.stats().cacheBytes, replica.stats().crossings],
    [fetch.requests, indexBytes, views, cacheBytes, crossings],
  )
  // Closed in any order; those that stay read on.
  for (const i of [30, 0, 17, 3]) others[i]!.close()
  assert.equal(value(others[1]!, sql), 2000)
  assert.equal(replica.stats().readers, 28)
})

test('threads that connect to one replica by its URI open the replica only once and share one poller', async (t) => {
  const { url, history, proxy } = await makeProxiedSource(t)
  await history.commit('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)')
  proxy.latency(10)
  const uri = `file:app.db?vfs=litestream&poll_interval=20ms&replica_url=${encodeURIComponent(url)}`
  const first = await ReaderThread.open(t, uri)
  assert.equal(await first.value('SELECT n FROM t'), 1)
  const gets = () => proxy.counts().kinds.GET ?? 0
  const opened = gets()
  const others = await Promise.all(Array.from({ length: 3 }, () => ReaderThread.open(t, uri)))
  for (const reader of others) assert.equal(await reader.value('SELECT n FROM t'), 1)
  assert.equal(gets(), opened)
  proxy.reset()
  await until('some polls', () => proxy.counts().requests >= 10)
  // Each begins after the answer to the one before it: there is one loop.
  const { requests, maxConcurrent, kinds } = proxy.counts()
  assert.deepEqual([kinds.LIST, maxConcurrent], [requests, 1])
  await history.commit('UPDATE t SET n = 2')
  for (const reader of [first, ...others]) {
    await until('the commit is seen', async () => (await reader.value('SELECT n FROM t')) === 2)
  }
  // A thread that ends takes nothing from the others, not even the one that was first.
  await first.worker.terminate()
  await history.commit('UPDATE t SET n = 3')
  for (const reader of others) {
    await until('the next one, too', async () => (await reader.value('SELECT n FROM t')) === 3)
  }
})
