// Single faults of a store under an open replica: the query that meets one fails with its reason,
// or waits; the next one works.
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { formatFileName } from '../../src/ltx/file-name.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { compactRange } from '../support/compact.js'
import { type Fault, INTERNAL_ERROR } from '../support/faults.js'
import { makeProxiedSource } from '../support/proxied-source.js'
import { putFile } from '../support/put-file.js'
import { ReaderThread } from '../support/reader-thread.js'
import { connect, damageFrame, makeSource, openTestReplica, value } from '../support/replica.js'
import { until } from '../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`
const ALWAYS = { times: Number.POSITIVE_INFINITY }
const isList = (request: { kind: string }) => request.kind === 'LIST'
const isGet = (request: { kind: string }) => request.kind === 'GET'

const FAULTS: Record<string, Fault> = {
  'no answer': { type: 'blackhole' },
  'status 500': INTERNAL_ERROR,
  'replies that are cut': { type: 'cut', bytes: 0 },
  'replies that are too short': { type: 'shorten', bytes: 1 },
  'damaged replies': { type: 'corrupt', at: 3 },
}
for (const [name, fault] of Object.entries(FAULTS)) {
  test(`${name}: the query fails with the reason, and the next query works`, async (t) => {
    const { history, proxy, url } = await makeProxiedSource(t)
    await history.commit(SEED)
    const replica = await openTestReplica(t, url, { readTimeout: '1s', readAhead: 'none' })
    const db = await ReaderThread.open(t, replica.uri)
    const rule = proxy.fault(fault, { ...ALWAYS, match: isGet })
    const failed = await db.ask('SELECT n FROM t WHERE id = 1500')
    assert.ok('code' in failed && failed.code === 'SQLITE_IOERR_READ', JSON.stringify(failed))
    assert.match(failed.why, /^[A-Z_]+: ./)
    assert.ok(rule.hits > 0)
    rule.remove()
    // A request that was never answered still stands.
    await proxy.down()
    await proxy.up()
    await until('a query works', async () => 'rows' in (await db.ask('SELECT n FROM t WHERE id = 1500')))
    assert.equal(await db.value('SELECT count(v) FROM t'), 3000)
  })
}

test('after a failed read, a connection keeps the reason of the failure, whatever state the replica then has', async (t) => {
  const source = await makeSource(t)
  const { url, history } = source
  await damageFrame(source, await history.commit(SEED), 100)
  const replica = await openTestReplica(t, url)
  const db = connect(t, replica.uri)
  assert.throws(() => value(db, 'SELECT count(v) FROM t'), { code: 'SQLITE_IOERR_READ' })
  // A poll that goes well clears what is known of the replica.
  await history.commit('CREATE TABLE other (x)')
  await until('TXID 2 is there', async () => (await replica.refresh()) === 2)
  for (let i = 0; i < 3; i++) await replica.refresh()
  assert.match(String(value(db, 'SELECT litestream_error()')), /^LTX_CORRUPT: /)
  assert.equal(value(db, 'SELECT id FROM t WHERE id = 1'), 1)
  assert.equal(value(connect(t, replica.uri), 'SELECT litestream_error()'), value(db, 'SELECT litestream_error()'))
})

test('a reader does not read a partly written file before the file is complete', async (t) => {
  const { url, files, history } = await makeSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const errors: string[] = []
  replica.on('error', ({ code }) => errors.push(code))
  const db = connect(t, replica.uri)
  // Where it is written and not seen yet; then its first half in its place, as a store without
  // atomic writes would show it.
  const name = path.join(files, 'ltx', '0', formatFileName(2, 2))
  const other = await makeSource(t)
  await other.history.commit(SEED)
  await other.history.commit('UPDATE t SET n = 1')
  const whole = readFileSync(path.join(other.files, 'ltx', '0', formatFileName(2, 2)))
  putFile(name, whole.subarray(0, whole.length / 2))
  await until('it was looked at', () => errors.includes('LTX_CORRUPT'))
  assert.equal(replica.txid, 1)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 0)
  await history.commit('UPDATE t SET n = 1')
  await until('it is read', async () => (await replica.refresh()) === 2)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 3000)
})

test('a replica with an invalid page index cannot be opened, and can be opened again after the file is replaced by a valid file', async (t) => {
  const { url, files, history } = await makeSource(t)
  await history.commit(SEED)
  const name = path.join(files, 'ltx', '0', formatFileName(1, 1))
  const good = readFileSync(name)
  const sizeAt = good.length - 24
  const indexSize = Number(good.readBigUInt64BE(sizeAt))
  const damages: [string, (bytes: Buffer) => void][] = [
    ['a size of 2^60', (bytes) => bytes.writeBigUInt64BE(2n ** 60n, sizeAt)],
    ['a size of 1 TiB', (bytes) => bytes.writeBigUInt64BE(2n ** 40n, sizeAt)],
    ['a size of nothing', (bytes) => bytes.writeBigUInt64BE(0n, sizeAt)],
    ['numbers without end', (bytes) => void bytes.fill(0xff, sizeAt - indexSize, sizeAt)],
    ['nothing but ends', (bytes) => void bytes.fill(0, sizeAt - indexSize, sizeAt)],
  ]
  for (const [what, damage] of damages) {
    const bytes = Buffer.from(good)
    damage(bytes)
    putFile(name, bytes)
    await assert.rejects(
      openReplica(url),
      { code: 'LTX_CORRUPT', message: /0000000000000001-0000000000000001\.ltx/ },
      what,
    )
    putFile(name, good)
    const replica = await openReplica(url)
    assert.equal(replica.txid, 1, what)
    await replica.close()
  }
})

test('a replica with a gap cannot be opened, and an open replica reports the gap and keeps its view until the gap is closed', async (t) => {
  const source = await makeSource(t)
  const { url, history } = source
  await history.commit(SEED)
  for (let n = 1; n <= 3; n++) await history.commit(`UPDATE t SET n = ${n}`)
  await compactRange(source, 1, 2, 3)
  const nameOf = (level: number, from: number, to: number) =>
    path.join(source.files, 'ltx', String(level), formatFileName(from, to))
  const [middle, last] = [nameOf(1, 2, 3), nameOf(0, 4, 4)]
  const bytes = [middle, last].map((name) => readFileSync(name))
  for (const name of [middle, last, nameOf(0, 2, 2), nameOf(0, 3, 3)]) rmSync(name)
  const replica = await openTestReplica(t, url)
  const gaps: string[] = []
  replica.on('gap', ({ code }) => gaps.push(code))
  const db = connect(t, replica.uri)
  putFile(last, bytes[1]!)
  await until('it is told', () => gaps.length > 0)
  assert.equal(gaps[0], 'LTX_GAP')
  assert.equal(replica.txid, 1)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 0)
  await assert.rejects(openReplica(url, { cacheSize: '1MiB' }), { code: 'LTX_GAP' })
  putFile(middle, bytes[0]!)
  await until('it continues', async () => (await replica.refresh()) === 4)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 9000)
})

test('a reader that was disconnected for longer than the retention continues from the remaining snapshot', async (t) => {
  const { url, history, client } = await makeProxiedSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url, { pollInterval: '1h' })
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 0)
  for (let n = 1; n <= 5; n++) await history.commit(`UPDATE t SET n = ${n} WHERE id % 5 = ${n - 1}`)
  await history.snapshot()
  await client.delete([1, 2, 3, 4, 5, 6].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await history.commit('UPDATE t SET n = 9 WHERE id = 1')
  assert.equal(await replica.refresh(), 7)
  const all = await db.ask('SELECT * FROM t')
  assert.deepEqual('rows' in all ? all.rows : all, history.db.prepare('SELECT * FROM t').raw().all())
})

test('while listings fail, the lag grows, and when listings succeed again, the reader reads new commits', async (t) => {
  const { history, proxy, url } = await makeProxiedSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const rule = proxy.fault(INTERNAL_ERROR, { ...ALWAYS, match: isList })
  await history.commit('UPDATE t SET n = 1')
  await until('listings fail, and lag tells', () => rule.hits > 3 && replica.lagMs > 1000)
  assert.equal(replica.txid, 1)
  rule.remove()
  await until('it has caught up', () => replica.txid === 2)
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT sum(n) FROM t'), 3000)
})

test('a reader sends one LIST at a time, and not more often than the poll interval', async (t) => {
  const { history, proxy, url } = await makeProxiedSource(t)
  await history.commit(SEED)
  proxy.latency(10)
  const eager = await openTestReplica(t, url, { pollInterval: 5 })
  proxy.reset()
  await until('some polls', () => proxy.counts().requests >= 10)
  // Each began after the answer to the one before it.
  const { requests, maxConcurrent, kinds } = proxy.counts()
  assert.deepEqual([kinds.LIST, maxConcurrent], [requests, 1])
  await eager.close()
  await openTestReplica(t, url, { pollInterval: 200 })
  const from = performance.now()
  proxy.reset()
  await until('more polls', () => proxy.counts().requests >= 4)
  // The interval varies by a tenth, downwards.
  const polls = proxy.counts().requests
  assert.ok(polls <= 1 + (performance.now() - from) / 180, `${polls} polls`)
})

test('the number of concurrent requests is bounded, and no request remains after the replica is closed', async (t) => {
  const { history, proxy, url } = await makeProxiedSource(t)
  await history.commit(SEED)
  for (let n = 0; n < 40; n++) await history.commit(`UPDATE t SET n = 1 WHERE id BETWEEN ${n * 70} AND ${n * 70 + 5}`)
  proxy.latency(10)
  const replica = await openTestReplica(t, url, { concurrency: 4, pollInterval: 20 })
  proxy.reset()
  const db = await ReaderThread.open(t, replica.uri)
  assert.equal(await db.value('SELECT count(v) FROM t'), 3000)
  // The four, and a poll.
  assert.ok(proxy.counts().maxConcurrent <= 5, `${proxy.counts().maxConcurrent} at once`)
  await db.worker.terminate()
  await replica.close()
  const next = await openTestReplica(t, url, { pollInterval: '1h' })
  proxy.reset()
  for (let i = 0; i < 10; i++) await next.refresh()
  assert.deepEqual(proxy.counts().kinds, { LIST: 10 })
})

test('close() of a replica does not wait for a listing whose request gets no response', {
  timeout: 60_000,
}, async (t) => {
  const { history, proxy, url } = await makeProxiedSource(t)
  await history.commit(SEED)
  const replica = await openTestReplica(t, url)
  const rule = proxy.fault({ type: 'blackhole' }, { ...ALWAYS, match: isList })
  await until('a listing hangs', () => rule.hits > 0)
  await replica.close()
  assert.equal(rule.hits, 1)
})
