import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { ChunkIndexes } from '../../../src/storage/nats/chunk-index.js'
import { MetaStore } from '../../../src/storage/nats/meta-store.js'
import { ObjectReader } from '../../../src/storage/nats/object-reader.js'
import { NatsSession } from '../../../src/storage/nats/session.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { natsServerUrl } from '../../support/nats.js'
import { startSilentProxy } from '../../support/silent-proxy.js'
import { until } from '../../support/until.js'

const FILE = { level: 0, minTxid: 1, maxTxid: 1 }
/**
 * Milliseconds. Less than any deadline of a request: only `close()` or the abort can have ended the
 * calls.
 */
const PROMPT = 5_000
const isAborted = (error: unknown) => isLitestreamError(error, 'ABORTED')

async function promptly<T>(what: string, work: Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work
  assert.ok(performance.now() - began < PROMPT, `${what} took ${performance.now() - began} ms`)
  return result
}

test('close() ends every call to a NATS server that never responds', { timeout: 60_000 }, async (t) => {
  const proxy = await startSilentProxy(t, new URL(natsServerUrl()).host)
  const url = `nats://${proxy.address}/test-${randomUUID()}?createBucket=true`
  const client = await openReplicaClient(url, { nats: { timeout: 60_000 } })
  await client.write(FILE, new Uint8Array(300_000), { timestamp: 1 })
  proxy.silence()
  async function* slowBody() {
    yield new Uint8Array(200_000)
    yield new Uint8Array(200_000)
  }
  const calls = [
    client.read(FILE, { offset: 0 }),
    collect(client.stream(FILE)),
    collect(client.list(0)),
    client.stat(FILE),
    client.write({ ...FILE, level: 1 }, slowBody(), { timestamp: 1 }),
    client.delete([FILE]),
    client.getObject('lock.json'),
    client.putObject('lock.json', new Uint8Array(10), null),
    client.watch!(() => undefined),
  ].map((call) => assert.rejects(call, isAborted))
  await until('the requests were sent', () => proxy.swallowed() > 1000)
  await promptly('close()', client.close())
  await promptly('the end of the calls', Promise.all(calls))
  await assert.rejects(client.stat(FILE), isAborted)
  await client.close()
})

test('an abort ends the opening of a NATS replica whose server never responds', { timeout: 60_000 }, async (t) => {
  const proxy = await startSilentProxy(t, new URL(natsServerUrl()).host)
  proxy.silence()
  const controller = new AbortController()
  const url = `nats://${proxy.address}/test-${randomUUID()}?createBucket=true`
  const opening = openReplicaClient(url, { nats: { timeout: 60_000 }, signal: controller.signal })
  const refused = assert.rejects(opening, isAborted)
  setImmediate(() => controller.abort())
  await promptly('the abort', refused)
})

test('a stream from a NATS server ends with TIMEOUT after the time limit of the stream, whatever the time limit of one request', {
  timeout: 60_000,
}, async (t) => {
  const proxy = await startSilentProxy(t, new URL(natsServerUrl()).host)
  const bucket = `test-${randomUUID()}`
  const url = `nats://${proxy.address}/${bucket}`
  const client = await openReplicaClient(`${url}?createBucket=true`)
  cleanUp(t, () => client.close())
  await client.write(FILE, new Uint8Array(2048), { timestamp: 1 })
  const session = await NatsSession.open({
    ...{ server: proxy.address, bucket, url, settings: { timeout: 60_000 } },
    policy: { budget: 100 },
  })
  cleanUp(t, () => session.close())
  const metas = new MetaStore(session, '')
  const reader = new ObjectReader(session, metas, new ChunkIndexes(session))
  const name = 'ltx/0/0000000000000001-0000000000000001.ltx'
  const stream = () => collect(reader.stream(name, 0, {}))
  assert.equal(Buffer.concat(await stream()).length, 2048)
  const found = await metas.fetch({ operation: 'HEAD', doing: 'reading', name, signal: undefined })
  const silentAfterDescription = Object.assign(Object.create(metas) as MetaStore, { remembered: () => found })
  const late = new ObjectReader(session, silentAfterDescription, new ChunkIndexes(session))
  proxy.silence()
  await assert.rejects(collect(late.stream(name, 0, {})), (error: Error) => {
    assert.ok(isLitestreamError(error, 'TIMEOUT'))
    assert.match(error.message, /takes longer than 2\.1 s/)
    return true
  })
})
