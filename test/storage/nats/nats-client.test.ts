import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import { connect, headers } from '@nats-io/transport-node'
import { isLitestreamError } from '../../../src/errors.js'
import { sweepAbandonedChunks } from '../../../src/storage/nats/abandoned-chunks.js'
import { buildIndex, chunkAt } from '../../../src/storage/nats/chunk-index.js'
import { NatsSession } from '../../../src/storage/nats/session.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { ReplicaClient } from '../../../src/storage/replica-client.js'
import { collect } from '../../support/collect.js'
import { natsServerUrl, natsUrl } from '../../support/nats.js'

const NAME = 'ltx/0/0000000000000001-0000000000000001.ltx'
const FILE = { level: 0, minTxid: 1, maxTxid: 1 }

async function open(t: TestContext, url: string, nats = {}): Promise<ReplicaClient> {
  const client = await openReplicaClient(url, { nats })
  t.after(() => client.close())
  return client
}

/** The official client, beside ours. */
async function official(t: TestContext, bucket: string) {
  const connection = await connect({ servers: natsServerUrl() })
  t.after(() => connection.close())
  const store = await new Objm(connection).open(bucket)
  return { store, jsm: await jetstreamManager(connection) }
}

function bytes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >>> 8)) & 0xff)
}

test('litestream-ts and the official NATS client can each read the objects that the other wrote', async (t) => {
  const bucket = `test-${randomUUID()}`
  const client = await open(t, natsUrl('', bucket))
  const { store } = await official(t, bucket)
  const body = bytes(300_000)
  await client.write(FILE, body, { timestamp: 1_700_000_000_123, createOnly: true })
  const info = await store.info(NAME)
  assert.equal(info?.headers?.get('Litestream-Timestamp'), '2023-11-14T22:13:20.123Z')
  assert.deepEqual([info?.size, info?.chunks, info?.options?.max_chunk_size], [300_000, 3, 131_072])
  // Its reader verifies the digest.
  assert.deepEqual(Buffer.from((await store.getBlob(NAME))!), Buffer.from(body))

  const h = headers()
  h.set('Litestream-Timestamp', '2026-01-02T03:04:05.123456789Z')
  const second = { level: 1, minTxid: 1, maxTxid: 2 }
  const theirs = {
    name: 'ltx/1/0000000000000001-0000000000000002.ltx',
    headers: h,
    options: { max_chunk_size: 10_000 },
  }
  const { nuid } = await store.putBlob(theirs, body)
  await store.putBlob({ name: 'ltx/1/readme.txt' }, body)
  const createdAt = Date.parse('2026-01-02T03:04:05.123Z')
  assert.deepEqual(await collect(client.list(1)), [{ ...second, size: 300_000, createdAt, version: nuid }])
  const { data } = await client.read(second, { offset: 9_990, length: 20_020 })
  assert.deepEqual(Buffer.from(data), Buffer.from(body.subarray(9_990, 30_010)))

  await store.delete(NAME)
  assert.deepEqual(await collect(client.list(0)), [])
  await client.delete([second])
  assert.equal((await store.info('ltx/1/0000000000000001-0000000000000002.ltx'))?.deleted, true)
})

test('if several clients create one NATS bucket at the same moment, all clients succeed', async (t) => {
  for (let round = 0; round < 5; round++) {
    const url = natsUrl()
    const clients = await Promise.all(Array.from({ length: 8 }, () => open(t, url)))
    await clients[0]!.write({ level: 0, minTxid: 1, maxTxid: 1 }, Buffer.from('x'), { timestamp: 1 })
    for (const client of clients) assert.equal((await collect(client.list(0))).length, 1)
  }
})

test('the NATS server and the bucket come from the URL or from the settings, in every combination', async (t) => {
  const server = natsServerUrl()
  const bucket = `test-${randomUUID()}`
  const first = await open(t, `${server}/${bucket}?createBucket=true`)
  await first.write(FILE, bytes(10), { timestamp: 1 })
  for (const client of [
    await open(t, `${server}/${bucket}`),
    await open(t, `${server}/${bucket}/`),
    await open(t, server, { bucket }),
    await open(t, `${server}/`, { bucket }),
    await open(t, `${server}?bucket=${bucket}`),
    await open(t, `${server}/${bucket}`, { bucket }),
  ]) {
    assert.equal(client.url, `${server.replace(/\/\/.*@/, '//')}/${bucket}`)
    assert.equal((await collect(client.list(0))).length, 1)
  }
  const beside = await open(t, `${server}/${bucket}/app%20one.db`)
  assert.deepEqual(await collect(beside.list(0)), [])
  const invalid = (error: unknown) => isLitestreamError(error, 'INVALID_URL')
  await assert.rejects(openReplicaClient(server), invalid)
  await assert.rejects(openReplicaClient(`${server}/${bucket}`, { nats: { bucket: 'other' } }), invalid)
  await assert.rejects(openReplicaClient(server, { nats: { bucket: 'a.b' } }), invalid)
  await assert.rejects(openReplicaClient(`${server}/not-there-${bucket}`), (error) => {
    assert.ok(isLitestreamError(error, 'NOT_FOUND'), String(error))
    return error.hint?.includes('createBucket') === true
  })
})

test('a ranged read fetches only the chunks of its range, even from files that were written concurrently', async (t) => {
  const url = natsUrl()
  const writers = await Promise.all([open(t, url), open(t, url), open(t, url)])
  const body = bytes(10 * 131_072)
  async function* slowly() {
    for (let at = 0; at < body.byteLength; at += 50_000) {
      yield body.subarray(at, at + 50_000)
      await new Promise(setImmediate)
    }
  }
  const ref = (i: number) => ({ level: 0, minTxid: i + 1, maxTxid: i + 1 })
  await Promise.all(writers.map((writer, i) => writer.write(ref(i), slowly(), { timestamp: 1, createOnly: true })))
  const reader = await open(t, url)
  await collect(reader.list(0))
  for (let i = 0; i < writers.length; i++) {
    await reader.read(ref(i), { suffix: 10 })
    for (let chunk = 0; chunk < 9; chunk++) {
      const before = reader.stats()
      const { data } = await reader.read(ref(i), { offset: chunk * 131_072 + 131_000, length: 1000 })
      assert.deepEqual(Buffer.from(data), Buffer.from(body.subarray(chunk * 131_072 + 131_000).subarray(0, 1000)))
      const after = reader.stats()
      assert.equal(after.GET.requests - before.GET.requests, 2)
      assert.equal(after.GET.bytes - before.GET.bytes, 2 * 131_072)
      assert.equal(after.LIST.requests, before.LIST.requests)
    }
  }
})

test('after a lost race, a failed source, an overwrite or a deletion, no unused chunks remain', async (t) => {
  const bucket = `test-${randomUUID()}`
  const client = await open(t, natsUrl('', bucket))
  const { jsm } = await official(t, bucket)
  const chunks = async () => {
    const info = await jsm.streams.info(`OBJ_${bucket}`, { subjects_filter: `$O.${bucket}.C.>` })
    return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0)
  }
  await client.write(FILE, bytes(300_000), { timestamp: 1, createOnly: true })
  await assert.rejects(client.write(FILE, bytes(500_000), { timestamp: 1, createOnly: true }))
  assert.equal(await chunks(), 3)
  async function* broken() {
    yield bytes(500_000)
    throw new Error('the source broke')
  }
  await assert.rejects(client.write({ ...FILE, level: 1 }, broken(), { timestamp: 1 }), /the source broke/)
  assert.equal(await chunks(), 3)
  await client.write(FILE, bytes(100), { timestamp: 1 })
  assert.equal(await chunks(), 1)
  await client.delete([FILE])
  assert.equal(await chunks(), 0)
})

test('after a bucket is deleted and created again, a client sees only the objects of the new bucket', async (t) => {
  const bucket = `test-${randomUUID()}`
  const client = await open(t, natsUrl('', bucket))
  await Promise.all(
    [1, 2, 3].map((txid) => client.write({ level: 0, minTxid: txid, maxTxid: txid }, bytes(10), { timestamp: 1 })),
  )
  assert.equal((await collect(client.list(0))).length, 3)
  const { jsm } = await official(t, bucket)
  await jsm.streams.delete(`OBJ_${bucket}`)
  const gone = (error: unknown) => isLitestreamError(error, 'NOT_FOUND')
  await assert.rejects(collect(client.list(0)), gone)
  await assert.rejects(client.write(FILE, bytes(10), { timestamp: 1 }), gone)
  const other = await open(t, natsUrl('', bucket))
  assert.deepEqual(await collect(client.list(0)), [])
  await other.write({ level: 0, minTxid: 9, maxTxid: 9 }, bytes(20), { timestamp: 1 })
  assert.deepEqual(
    (await collect(client.list(0))).map(({ minTxid, size }) => [minTxid, size]),
    [[9, 20]],
  )
})

test('old chunks of killed writers are removed, and all other chunks are kept', async (t) => {
  const bucket = `test-${randomUUID()}`
  const url = natsUrl('', bucket)
  const client = await open(t, url)
  const beside = await open(t, natsUrl('other.db', bucket))
  await client.write(FILE, bytes(300_000), { timestamp: 1 })
  await beside.write(FILE, bytes(100), { timestamp: 1 })
  const { jsm } = await official(t, bucket)
  const connection = await connect({ servers: natsServerUrl() })
  t.after(() => connection.close())
  for (let i = 0; i < 3; i++) await connection.request(`$O.${bucket}.C.DEADWRITER`, bytes(1000))
  const chunks = async () => {
    const info = await jsm.streams.info(`OBJ_${bucket}`, { subjects_filter: `$O.${bucket}.C.>` })
    return Object.values(info.state.subjects ?? {}).sort()
  }
  assert.deepEqual(await chunks(), [1, 3, 3])
  const server = natsServerUrl().replace(/^nats:\/\//, '')
  const session = await NatsSession.open({ server, bucket, url, settings: {} })
  t.after(() => session.close())
  assert.equal(await sweepAbandonedChunks(session, 60_000), 0)
  assert.equal(await sweepAbandonedChunks(session, 0), 1)
  assert.deepEqual(await chunks(), [1, 3])
  assert.equal((await client.read(FILE, { offset: 0 })).fileSize, 300_000)
  assert.equal((await beside.read(FILE, { offset: 0 })).fileSize, 100)
})

test('the chunk index finds the right chunk for each offset of a NATS object of 5 GiB', () => {
  const count = 5 * 8192
  const index = buildIndex(
    Array.from({ length: count }, (_, i) => 2 * i + 7),
    Array.from({ length: count }, () => 131_072),
  )
  assert.equal(index.ends.at(-1), 5 * 2 ** 30)
  for (const chunk of [0, 1, 4095, 32_768, count - 1]) {
    assert.equal(chunkAt(index, chunk * 131_072), chunk)
    assert.equal(chunkAt(index, (chunk + 1) * 131_072 - 1), chunk)
  }
})
