import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { native } from '../../../src/native/addon.js'
import { connect, makeSource, openTestReplica, value } from '../../support/replica.js'
import { until } from '../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

// The worker that serves replicas, as this thread starts it.
let worker: Worker | undefined
process.on('worker', (started) => {
  if (started.threadId !== reader?.threadId) worker = started
})
let reader: Worker | undefined

/** A worker thread that runs queries on a URI. */
function readerThread(uri: string): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.src + '/index.js').then(({ load }) => {
      const Database = require('better-sqlite3')
      load(new Database(':memory:'))
      const db = new Database(workerData.uri, { readonly: true })
      parentPort.on('message', (sql) => {
        try {
          parentPort.postMessage({ rows: db.prepare(sql).raw().all() })
        } catch (error) {
          parentPort.postMessage({ code: error.code })
        }
      })
      parentPort.postMessage('ready')
    })`
  return new Worker(source, { eval: true, workerData: { uri, src: new URL('../../../src', import.meta.url).href } })
}

test('after the worker is killed, a transaction reads resident pages, and all operations work again after the worker’s restart', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { cacheSize: 64 * 4096 })
  const db = connect(t, replica.uri)
  const held = connect(t, replica.uri)
  for (const connection of [db, held]) connection.pragma('cache_size=10')
  held.exec('BEGIN')
  assert.equal(value(held, 'SELECT n FROM t WHERE id = 1'), 0)
  for (let n = 1; n <= 3; n++) {
    const killed = worker
    await killed?.terminate()
    await history.commit(`UPDATE t SET n = ${n}`)
    await until('there is another worker', () => native.workerAlive() && worker !== killed)
    await until('it has caught up', async () => (await replica.refresh()) === history.txid)
    assert.equal(value(db, 'SELECT sum(n) FROM t'), n * 3000)
    // The view of the transaction was made by the first worker; its pages are found again.
    assert.equal(value(held, 'SELECT count(v), sum(n) FROM t'), 3000)
    assert.equal(value(held, 'SELECT sum(n) FROM t'), 0)
  }
  held.exec('COMMIT')
  assert.equal(value(held, 'SELECT sum(n) FROM t'), 9000)
})

test('a transaction that reads from a local copy keeps its view if the worker is killed while the local copy is filled', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { hydrate: `${directory}/copy.db`, cacheSize: 64 * 4096 })
  await replica.whenHydrated()
  const held = connect(t, replica.uri)
  held.pragma('cache_size=10')
  held.exec('BEGIN')
  assert.equal(value(held, 'SELECT n FROM t WHERE id = 1'), 0)
  const killed = worker
  await killed?.terminate()
  await history.commit('UPDATE t SET n = 1')
  await until('there is another worker', () => native.workerAlive() && worker !== killed)
  await until('it has caught up', async () => (await replica.refresh()) === 2)
  assert.equal(value(held, 'SELECT sum(n) FROM t'), 0)
  assert.equal(value(held, 'SELECT count(v) FROM t'), 3000)
  held.exec('COMMIT')
  await until('the copy is complete', () => replica.stats().hydration === 1)
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 3000)
})

test('many threads that read one replica share one page index and one cache', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const threads = Array.from({ length: 4 }, () => readerThread(replica.uri))
  await Promise.all(threads.map((thread) => once(thread, 'message')))
  const ask = async (sql: string) =>
    Promise.all(
      threads.map(async (thread) => {
        thread.postMessage(sql)
        return (await once(thread, 'message'))[0] as { rows: unknown[][] }
      }),
    )
  for (const { rows } of await ask('SELECT count(*), count(v) FROM t')) assert.deepEqual(rows, [[3000, 3000]])
  const { crossings, readers } = replica.stats()
  assert.equal(readers, 4)
  await ask('SELECT count(*), count(v) FROM t')
  assert.equal(replica.stats().crossings, crossings)
  await history.commit('UPDATE t SET n = 1')
  await until('it has caught up', async () => (await replica.refresh()) === 2)
  for (const { rows } of await ask('SELECT sum(n) FROM t')) assert.deepEqual(rows, [[3000]])
  // A thread that ends with an open connection takes nothing with it.
  await threads[0].terminate()
  await threads[1].terminate()
  assert.equal(value(connect(t, replica.uri), 'SELECT sum(n) FROM t'), 3000)
  await Promise.all(threads.map((thread) => thread.terminate()))
})

test('a worker thread of the application can open and read a replica', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  reader = readerThread(`file:x?vfs=litestream&replica_url=${encodeURIComponent(url)}`)
  const [ready] = await once(reader, 'message')
  assert.equal(ready, 'ready')
  reader.postMessage('SELECT count(*) FROM t')
  assert.deepEqual((await once(reader, 'message'))[0], { rows: [[3000]] })
  await reader.terminate()
})

test('if a poll changes one page, the new page map copies only the chunk with this page’s entry', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO t SELECT i, zeroblob(3500) FROM n`)
  const replica = await openTestReplica(t, url, { pollInterval: '1h' })
  const db = connect(t, replica.uri)
  db.exec('BEGIN')
  assert.equal(value(db, 'SELECT count(a) FROM t'), 4000)
  const { chunks } = native.liveObjects()
  assert.ok(chunks >= 4, `${chunks} chunks`)
  await history.commit('UPDATE t SET a = zeroblob(3501) WHERE id = 2500')
  await replica.refresh()
  // The transaction still has the old view: what the two do not share is counted twice. (Page 1
  // changes with every commit.)
  assert.ok(native.liveObjects().chunks - chunks <= 2, `${native.liveObjects().chunks - chunks} chunks copied`)
  db.exec('COMMIT')
})

test('no native object is left after all replicas and connections are closed', async (t) => {
  const { url, history } = await makeSource(t)
  await history.commit(SEED)
  const before = native.liveObjects()
  for (let round = 0; round < 5; round++) {
    const replica = await openTestReplica(t, url, { cacheSize: 2 ** 20 + round })
    const databases = Array.from({ length: 8 }, () => new Database(replica.uri, { readonly: true }))
    for (const db of databases) value(db, 'SELECT count(v) FROM t')
    await history.commit(`UPDATE t SET n = ${round}`)
    await replica.refresh()
    databases[0].prepare('SELECT litestream_set_time(?)').get('0000000000000001')
    for (const db of databases) value(db, 'SELECT count(v) FROM t')
    // In any order: the handle may go before its connections.
    for (const db of databases.slice(0, 4)) db.close()
    const closing = replica.close()
    for (const db of databases.slice(4)) db.close()
    await closing
  }
  await until('no native object is left', () => {
    const now = native.liveObjects()
    return Object.entries(before).every(([name, count]) => now[name as keyof typeof now] <= count)
  })
})
