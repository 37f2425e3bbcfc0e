import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { replicate } from '../../../src/primary/replicate.js'
import { assertReplicaEquals } from '../../primary/restored.js'
import { collect } from '../../support/collect.js'
import { contentHashes } from '../../support/content.js'
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import { connect, integrity, openTestReplica, value } from '../../support/replica.js'
import { s3Sdk } from '../../support/s3.js'
import { type RgwServer, startRgw } from '../../support/servers/rgw.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

// The gateway of a cluster of this file's own is killed. A proxy stands before it to know when; it
// does nothing else.

const MiB = 2 ** 20
let server: RgwServer
let proxy: FaultProxy

before(async () => {
  server = await startRgw()
  proxy = await startFaultProxy({ target: server.endpoint })
})
after(async () => {
  await proxy.close()
  await server.stop()
})

async function place(bucket: string): Promise<string> {
  const sdk = s3Sdk(server)
  await sdk.send(new CreateBucketCommand({ Bucket: bucket }))
  sdk.destroy()
  return `s3://${server.accessKeyId}:${server.secretAccessKey}@${bucket}/app.db?endpoint=${encodeURIComponent(proxy.url)}`
}

async function restartGateway(): Promise<void> {
  await server.killGateway()
  await server.startGateway()
}

const partsSeen = () => proxy.seen().filter(({ url }) => url.includes('partNumber=')).length

test('if the server is killed during a download and a PUT, the download and the PUT both continue where they were interrupted', async () => {
  const client = await s3ClientAt(await place('bodies'), { attempts: 1000, budget: 120_000 })
  const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
  const body = randomBytes(40 * MiB)
  await client.write(file(1), body, { timestamp: 1 })
  proxy.reset()
  const stream = client.stream(file(1))[Symbol.asyncIterator]()
  const chunks = [(await stream.next()).value as Uint8Array]
  const writing = client.write(file(2), body, { timestamp: 2, createOnly: true })
  await until('parts are under way', () => partsSeen() > 0)
  await restartGateway()
  await writing
  for (let next = await stream.next(); !next.done; next = await stream.next()) chunks.push(next.value)
  assert.ok(Buffer.concat(chunks).equals(body), 'what was read')
  assert.ok(Buffer.concat(await collect(client.stream(file(2)))).equals(body), 'what was written')
  const { GET, PUT } = client.stats()
  assert.ok(GET.retries > 0 && PUT.retries > 0)
  await client.close()
})

test('after the server is killed, replicate and hydrate recover automatically, and their databases are equal', async (t) => {
  const url = await place('databases')
  const dir = temporaryDirectory(t)
  const [file, copy] = [path.join(dir, 'app.db'), path.join(dir, 'copy.db')]
  const app = new Database(file)
  t.after(() => app.close())
  app.pragma('journal_mode = wal')
  app.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const insert = app.prepare('INSERT INTO t (v) VALUES (randomblob(?))')
  const add = app.transaction((rows: number) => {
    for (let i = 0; i < rows; i++) insert.run(100_000)
  })
  add(200)
  const replication = await replicate(file, url, { monitorInterval: 20, syncInterval: 20 })
  await replication.sync({ wait: true })
  proxy.reset()
  proxy.latency(30)
  const replica = await openTestReplica(t, url, { hydrate: copy, openTimeout: 30_000 })
  add(200)
  await until('parts of the new state are under way, and a part of the old one is here', () => {
    return partsSeen() > 0 && proxy.counts().bytesToClient > 2 * MiB
  })
  assert.ok(replica.stats().hydration < 1)
  await server.killGateway()
  proxy.latency(0)
  add(3) // what is committed meanwhile waits
  await server.startGateway()
  const { txid } = await replication.sync()
  await until('all is replicated', async () => (await replication.status()).replicaTxid === txid, 60_000)
  await replica.whenHydrated()
  await until('the reader sees it', async () => (await replica.refresh()) === txid, 60_000)
  await until('the copy is complete', () => replica.stats().hydration === 1, 60_000)
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT count(*) FROM t'), 403)
  assert.equal(integrity(db), 'ok')
  db.close()
  await replica.close()
  assert.deepEqual(contentHashes(copy), contentHashes(file))
  await replication.close()
  await assertReplicaEquals(url, file)
})
