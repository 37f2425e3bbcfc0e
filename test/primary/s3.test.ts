import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { Lease } from '../../src/levels/lease.js'
import type { ReplicatorOptions } from '../../src/primary/options.js'
import { Replicator } from '../../src/primary/replicator.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { startFaultProxy } from '../support/fault-proxy.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { assertReplicaEquals } from './restored.js'

async function fixture(t: TestContext, options: Partial<ReplicatorOptions> = {}) {
  const bucket = await s3Bucket(t)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  const file = path.join(temporaryDirectory(t), 'app.db')
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const write = () => app.exec('INSERT INTO t (v) VALUES (randomblob(2000))')
  const client = await openReplicaClient(s3Url(bucket, 'app.db', proxy.url))
  const fast = { monitorInterval: 10, syncInterval: 10, shutdownSyncTimeout: 0, compaction: false } as const
  const replicator = new Replicator(file, client, { ...fast, ...options }, () => {})
  t.after(() => replicator.abandon())
  return { proxy, file, write, replicator, url: s3Url(bucket) }
}

const isList = ({ url }: { url: string }) => url.includes('list-type=2')

/** Every task each 20 ms, and nothing is old enough to be deleted. */
const WINDOW = 20
const EVERY_WINDOW = {
  levels: [1, 2, 3].map((level) => ({ level, interval: WINDOW })),
  snapshot: { interval: WINDOW, retention: 3600_000 },
  l0Retention: 3600_000,
  l0RetentionCheckInterval: WINDOW,
  retentionEnabled: true,
}

async function windows(replicator: Replicator, count: number): Promise<void> {
  const end = Date.now() + WINDOW * count
  await until(`${count} windows pass`, () => Date.now() > end)
  // Waits for the task that runs.
  await replicator.compaction!.ready()
}

async function inAllLevels(replicator: Replicator, txid: number): Promise<void> {
  await until('it is in the replica', () => replicator.status().replicaTxid === txid)
  await until('and in all levels', async () => {
    for (const level of [1, 2, 3, 9]) {
      if ((await collect(replicator.client.list(level))).at(-1)?.maxTxid !== txid) return false
    }
    return true
  })
}

test('S3: despite lost responses, errors and a slow server, each file is uploaded once and in order', async (t) => {
  const { proxy, file, write, replicator, url } = await fixture(t)
  await replicator.sync({ wait: true })
  const put = { match: (request: { method: string }) => request.method === 'PUT' }
  proxy.latency(30)
  for (const fault of [
    { type: 'loseReply' },
    { type: 'refuse' },
    { type: 'status', status: 503, code: 'SlowDown' },
  ] as const) {
    const rule = proxy.fault(fault, { ...put, times: 1 })
    write()
    const { txid, replicaTxid } = await replicator.sync({ wait: true })
    assert.equal(txid, replicaTxid)
    assert.equal(rule.hits, 1)
  }
  assert.equal(await assertReplicaEquals(url, file), 4)
})

test('S3: if a primary writes the writer record and then fails to list the replica, the primary is not fenced by its own record', async (t) => {
  const { proxy, file, write, replicator, url } = await fixture(t)
  write()
  const refused = proxy.fault({ type: 'status', status: 403, code: 'AccessDenied' }, { match: isList, times: 2 })
  // Once before the first snapshot, and once before the first upload.
  await assert.rejects(replicator.sync({ wait: true }), { code: 'ACCESS_DENIED' })
  assert.equal(refused.hits, 2)
  assert.equal((await replicator.sync({ wait: true })).replicaTxid, 1)
  assert.equal(await assertReplicaEquals(url, file), 1)
  assert.equal(proxy.seen().filter(({ method, url }) => method === 'PUT' && url.includes('primary.json')).length, 1)
})

test('S3: while the server is down, commits are staged, and the staged commits are uploaded later', async (t) => {
  const { proxy, file, write, replicator, url } = await fixture(t)
  replicator.start()
  await until('the first file is there', () => replicator.status().replicaTxid === 1)
  await proxy.down()
  for (let i = 2; i <= 6; i++) {
    write()
    await until('it is staged', () => replicator.status().txid === i)
  }
  assert.equal(replicator.status().replicaTxid, 1)
  await proxy.up()
  await replicator.sync({ wait: true })
  assert.equal(await assertReplicaEquals(url, file), 6)
})

test('S3: an idle primary sends no request to the store', async (t) => {
  const { proxy, write, replicator } = await fixture(t)
  write()
  await replicator.sync({ wait: true })
  proxy.reset()
  for (let i = 0; i < 20; i++) await replicator.sync({ wait: true })
  assert.equal(proxy.counts().requests, 0)
})

test('S3: an idle primary with compaction and retention sends no request to the store, because no task is due', async (t) => {
  const { proxy, file, write, replicator, url } = await fixture(t, {
    compaction: EVERY_WINDOW,
    replicaCheckInterval: 3_600_000,
  })
  replicator.start()
  await until('the first file is there', () => replicator.compaction)
  for (let txid = 2; txid <= 4; txid++) {
    write()
    await inAllLevels(replicator, txid)
  }
  await windows(replicator, 3)
  assert.equal(proxy.seen().filter(({ kind }) => kind === 'LIST').length, 1, 'all levels were listed at once, and once')
  proxy.reset()
  await windows(replicator, 20)
  assert.equal(proxy.counts().requests, 0)
  await replicator.sync({ wait: true })
  assert.equal(await assertReplicaEquals(url, file), 4)
})

test('S3: when the primary checks the replica, it sends one LIST, and at every tenth check also reads the writer record', async (t) => {
  const { proxy, write, replicator } = await fixture(t, { replicaCheckInterval: 20 })
  replicator.start()
  await until('the first file is there', () => replicator.status().replicaTxid === 1)
  write()
  await until('the second', () => replicator.status().replicaTxid === 2)
  proxy.reset()
  await until('there are checks', () => proxy.seen().length >= 22, 60_000)
  const kinds = proxy.seen().map(({ kind }) => kind)
  const gets = kinds.flatMap((kind, i) => (kind === 'GET' ? [i] : []))
  assert.deepEqual([...new Set(kinds)].sort(), ['GET', 'LIST'])
  assert.equal(gets[1]! - gets[0]!, 11)
})

test('S3: after the last commit, one checkpoint runs, adds one TXID and one file per level, and causes no further request', async (t) => {
  const { proxy, file, write, replicator, url } = await fixture(t, {
    compaction: EVERY_WINDOW,
    checkpointInterval: 2 * WINDOW,
    replicaCheckInterval: 3_600_000,
  })
  replicator.start()
  await until('the first file is there', () => replicator.compaction)
  // What was there at the start may be checkpointed, too.
  await until('it is checkpointed', () => replicator.status().txid === 2)
  await inAllLevels(replicator, 2)
  write()
  await inAllLevels(replicator, 4)
  await windows(replicator, 3)
  proxy.reset()
  await windows(replicator, 20)
  assert.deepEqual(proxy.counts().kinds, {})
  assert.equal(replicator.status().txid, 4)
  await replicator.sync({ wait: true })
  assert.equal(await assertReplicaEquals(url, file), 4)
})

test('S3: the first upload of a database takes four requests: read and write the writer record, list the replica, write the file', async (t) => {
  const bucket = await s3Bucket(t)
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  cleanUp(t, () => proxy.close())
  const directory = temporaryDirectory(t)
  const count = 10
  const replicators = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const file = path.join(directory, `${i}.db`)
      const app = new Database(file)
      app.pragma('journal_mode = wal')
      app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
      app.close()
      const client = await openReplicaClient(s3Url(bucket, `${i}.db`, proxy.url))
      const replicator = new Replicator(file, client, { compaction: false }, () => {})
      cleanUp(t, () => replicator.abandon())
      return replicator
    }),
  )
  const first = await Promise.all(replicators.map((replicator) => replicator.sync({ wait: true })))
  assert.ok(first.every(({ replicaTxid }) => replicaTxid === 1))
  assert.deepEqual(proxy.counts().kinds, { GET: count, LIST: count, PUT: 2 * count + 3, DELETE: 1 })
})

test('S3: if many primaries request a lease, exactly one primary gets the lease, and compare-and-set passes the lease to the next primary', async (t) => {
  const bucket = await s3Bucket(t)
  const client = await openReplicaClient(s3Url(bucket))
  t.after(() => client.close())
  const leases = Array.from({ length: 6 }, () => new Lease(client, { ttl: 60_000 }))
  const others = await Promise.all(leases.map((lease) => lease.acquire()))
  const winners = leases.filter((_, i) => others[i] === undefined)
  assert.equal(winners.length, 1)
  const winner = winners[0]!
  await winner.renew()
  const loser = leases.find((lease) => lease !== winner)!
  assert.equal((await loser.acquire())?.owner, winner.owner)
  await winner.release()
  assert.equal(await loser.acquire(), undefined)
  await assert.rejects(winner.renew(), (error) => isLitestreamError(error, 'REPLICA_FENCED'))
})
