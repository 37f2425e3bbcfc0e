import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { jetstream } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import { connect, nuid } from '@nats-io/transport-node'
import { openReplicaClient } from '../../src/storage/open.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { natsServerUrl, natsUrl } from '../support/nats.js'

const file = { level: 9, minTxid: 1, maxTxid: 1 }
const NAME = 'ltx/9/0000000000000001-0000000000000001.ltx'

/** Writes an object as Litestream 0.5.17 does: in chunks as small as the pieces that its encoder hands on, of different sizes. */
async function putInPieces(bucket: string, body: Buffer, sizes: readonly number[]): Promise<number> {
  const connection = await connect({ servers: natsServerUrl().replace('nats://', '') })
  const js = jetstream(connection)
  await new Objm(js).create(bucket, { storage: 'file' as never })
  const id = nuid.next()
  let chunks = 0
  const sent: Promise<unknown>[] = []
  for (let at = 0; at < body.length; chunks++) {
    const size = sizes[chunks % sizes.length]!
    sent.push(js.publish(`$O.${bucket}.C.${id}`, body.subarray(at, at + size)))
    at += size
    if (sent.length === 500) await Promise.all(sent.splice(0))
  }
  await Promise.all(sent)
  const meta = {
    name: NAME,
    bucket,
    nuid: id,
    size: body.length,
    chunks,
    mtime: '0001-01-01T00:00:00Z',
    digest: `SHA-256=${createHash('sha256').update(body).digest('base64url')}`,
    options: { max_chunk_size: 131_072 },
    headers: { 'Litestream-Timestamp': ['2026-01-01T00:00:00Z'] },
  }
  await js.publish(`$O.${bucket}.M.${Buffer.from(NAME).toString('base64url')}`, JSON.stringify(meta))
  await connection.close()
  return chunks
}

test('an object of thousands of small chunks is read with a few requests, and leaves no listener', async (t) => {
  const bucket = `test-${randomUUID()}`
  const body = randomBytes(9_000_001)
  const chunks = await putInPieces(bucket, body, [6, 900, 4, 2000])
  assert.ok(chunks > 12_000)
  const client = await openReplicaClient(natsUrl('', bucket))
  cleanUp(t, () => client.close())
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  cleanUp(t, () => process.off('warning', onWarning))
  const { signal } = new AbortController()
  const requests = () => client.stats().GET.requests + client.stats().LIST.requests + client.stats().HEAD.requests
  const [listed] = await collect(client.list(9))
  assert.equal(listed?.size, body.length)

  const before = requests()
  assert.ok(body.equals(Buffer.concat(await collect(client.stream(file, { signal })))))
  assert.ok(body.equals((await client.read(file, { offset: 0 }, { signal })).data))
  assert.ok(
    body.subarray(5_000_003).equals(Buffer.concat(await collect(client.stream(file, { offset: 5_000_003, signal })))),
  )
  const ranges = [
    [0, 1],
    [899, 20],
    [123_457, 65_536],
    [8_999_000, 1001],
  ] as const
  for (const [offset, length] of ranges) {
    const { data } = await client.read(file, { offset, length }, { signal })
    assert.ok(body.subarray(offset, offset + length).equals(data), `${length} bytes from ${offset}`)
  }
  assert.ok(body.subarray(-65_536).equals((await client.read(file, { suffix: 65_536 }, { signal })).data))
  assert.ok(requests() - before < 60, `${requests() - before} requests for ${chunks} chunks`)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await new Promise(setImmediate)
  assert.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  )
})
