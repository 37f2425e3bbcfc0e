import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { openGsClient } from '../../../src/storage/gs/gs-client.js'
import type { GsLocation } from '../../../src/storage/gs/location.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import type { RequestPolicy } from '../../../src/storage/request-policy.js'
import { parseReplicaUrl } from '../../../src/storage/url.js'
import { concatenated, file, inPieces, sha256, testBytes } from '../../conformance/replica-client/bytes.js'
import { runScript } from '../../support/child.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { gcsEndpoint, gcsMissing, newBucket, useEmulator } from '../../support/gcs.js'
import { type GcsRequest, type LoopbackGcs, loopbackGcs } from '../../support/loopback-gcs.js'
import { notRun } from '../../support/not-run.js'
import { roundTrip } from '../../support/store-round-trip.js'
import { credentialsFor } from './credentials-file.js'

const MiB = 1024 * 1024
const KEY = 'app.db/ltx/0/0000000000000001-0000000000000001.ltx'

/** A strict store, and a client of it whose credentials come from workload identity. */
async function strict(t: TestContext, policy: Partial<RequestPolicy> = {}, pageSize?: number) {
  const store = await loopbackGcs(t)
  store.tokens = new Set()
  credentialsFor(t, store)
  const options = { policy, ...(pageSize !== undefined && { pageSize }) }
  const client = openGsClient(parseReplicaUrl(store.url()) as GsLocation, {}, options)
  cleanUp(t, () => client.close())
  return { store, client }
}

/** Answers the `nth` request of a kind with `how`. */
function once(
  store: LoopbackGcs,
  kind: GcsRequest['kind'],
  how: (response: ServerResponse, carryOut: () => void) => void,
  nth = 1,
): void {
  let count = 0
  store.behave((request, response, carryOut) => {
    if (request.kind !== kind || ++count !== nth) return false
    how(response, carryOut)
    return true
  })
}

const kinds = ({ seen }: LoopbackGcs) => seen.filter(({ kind }) => kind !== 'TOKEN').map(({ kind }) => kind)
const lostAnswer = (response: ServerResponse, carryOut: () => void) => {
  carryOut()
  response.destroy()
}

test('a database is replicated to the Google Cloud Storage emulator, read through the VFS and restored', async (t) => {
  if (gcsMissing !== undefined) return notRun(t, 'fake-gcs-server', gcsMissing)
  useEmulator(t)
  await roundTrip(t, `gs://${await newBucket()}/app.db`)
})

test('a writer that is killed in the middle of an upload leaves no object, and another writer can use the object’s name', async (t) => {
  if (gcsMissing !== undefined) return notRun(t, 'fake-gcs-server', gcsMissing)
  useEmulator(t)
  const url = `gs://${await newBucket()}/app.db`
  const child = runScript(
    t,
    `const { openReplicaClient } = await import(src + '/storage/open.js')
    const client = await openReplicaClient(${JSON.stringify(url)})
    async function* body() {
      for (let i = 0; i < 40; i++) {
        if (client.stats().PUT.requests > 1) process.kill(process.pid, 'SIGKILL')
        yield new Uint8Array(1024 * 1024)
      }
    }
    await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body(), { timestamp: 1, createOnly: true })`,
    { STORAGE_EMULATOR_HOST: gcsEndpoint() },
  )
  assert.equal(await child.ended, 'SIGKILL', child.errors())
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  assert.deepEqual(await collect(client.list(0)), [])
  await client.write(file(1), inPieces(testBytes(20_000_000), 1_000_000), { timestamp: 1, createOnly: true })
  assert.equal((await client.stat(file(1))).size, 20_000_000)
})

test('the credentials of a workload identity are requested once, sent with each request, and masked in output', async (t) => {
  const { store, client } = await strict(t)
  await client.write(file(1), testBytes(10), { timestamp: 1, createOnly: true })
  assert.equal((await collect(client.list(0))).length, 1)
  assert.equal(store.seen.filter(({ kind }) => kind === 'TOKEN').length, 1)
  const [token] = store.tokens!
  assert.equal(store.seen.at(-1)!.headers.authorization, `Bearer ${token}`)
  store.behave((_, response) => {
    response.writeHead(403, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({ error: { code: 403, message: `${token} may not`, errors: [{ reason: 'forbidden' }] } }),
    )
    return true
  })
  await assert.rejects(client.stat(file(1)), (error) => {
    assert.ok(isLitestreamError(error, 'ACCESS_DENIED'))
    assert.match(error.message, /failed: HTTP 403: \*\*\* may not$/)
    assert.match(error.hint, /storage\.objects\.create/)
    return true
  })
  store.behave(() => false)
  store.tokens!.clear()
  await assert.rejects(client.stat(file(1)), (error) => {
    assert.ok(isLitestreamError(error, 'ACCESS_DENIED'))
    assert.match(error.hint, /GOOGLE_APPLICATION_CREDENTIALS/)
    return true
  })
})

test('the errors for a refused token and for a failing token server state by how much this machine’s clock is wrong', async (t) => {
  for (const [kind, status] of [
    ['TOKEN', 400],
    ['LIST', 401],
  ] as const) {
    const { store, client } = await strict(t)
    store.behave((request, response) => {
      if (request.kind !== kind) return false
      const date = new Date(Date.now() - 3_600_000).toUTCString()
      response.writeHead(status, { date, 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: 'invalid_grant', error_description: 'Invalid JWT: check your iat and exp' }))
      return true
    })
    await assert.rejects(collect(client.list(0)), (error) => {
      assert.ok(isLitestreamError(error, 'ACCESS_DENIED'), String(error))
      assert.match(error.message, /; the clock of this machine is 1h([\d.]+s)? ahead of the clock of the store$/)
      assert.match(error.hint, /^Set the clock of this machine/)
      return true
    })
  }
})

test('if a credentials file is missing or invalid, the error is ACCESS_DENIED and names the setting', async (t) => {
  const { store } = await strict(t)
  for (const content of [undefined, 'no JSON', '{"type":"service_account"}']) {
    credentialsFor(t, store, content)
    const client = await openReplicaClient(store.url())
    cleanUp(t, () => client.close())
    await assert.rejects(client.stat(file(1)), (error) => {
      assert.ok(isLitestreamError(error, 'ACCESS_DENIED'), String(error))
      assert.match(error.message, /no credentials could be obtained/)
      assert.match(error.hint, /^Set GOOGLE_APPLICATION_CREDENTIALS/)
      return true
    })
  }
  assert.deepEqual(kinds(store), [])
})

test('a small object is changed only by a caller that sends the current generation of the object', async (t) => {
  const { store, client } = await strict(t)
  const bytes = (text: string) => new TextEncoder().encode(text)
  const lost = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')
  const first = await client.putObject('lock.json', bytes('1'), null)
  await assert.rejects(client.putObject('lock.json', bytes('x'), null), lost)
  const second = await client.putObject('lock.json', bytes('2'), first)
  await assert.rejects(client.putObject('lock.json', bytes('x'), first), lost)
  await assert.rejects(client.deleteObject('lock.json', first), lost)
  assert.deepEqual([...(await client.getObject('lock.json'))!.data], [...bytes('2')])
  await client.deleteObject('lock.json', second)
  await client.deleteObject('lock.json', second)
  assert.equal(await client.getObject('lock.json'), undefined)
  await assert.rejects(client.putObject('lock.json', bytes('x'), second), lost)
  await client.putObject('lock.json', new Uint8Array(), null)
  assert.equal((await client.getObject('lock.json'))!.data.byteLength, 0)
  assert.equal(store.objects.size, 1)
})

test('a listing begins at the requested TXID, and later pages of the listing are requested on demand', async (t) => {
  const { store, client } = await strict(t, {}, 4)
  for (let txid = 1; txid <= 10; txid++) await client.write(file(txid), testBytes(10), { timestamp: 5_000 })
  const { 'litestream-upload': upload, ...metadata } = store.objects.get(KEY)!.metadata as Record<string, string>
  assert.match(upload!, /^[0-9a-f-]{36}$/)
  assert.deepEqual(metadata, { 'litestream-timestamp': '1970-01-01T00:00:05Z' })
  const listed = await collect(client.list(0, { fromTxid: 6 }))
  assert.deepEqual(
    listed.map(({ minTxid, createdAt }) => [minTxid, createdAt]),
    [6, 7, 8, 9, 10].map((txid) => [txid, 5_000]),
  )
  const [first] = store.seen.filter(({ kind }) => kind === 'LIST')
  assert.equal(first!.query.get('startOffset'), 'app.db/ltx/0/0000000000000006')
  assert.equal(client.stats().LIST.requests, 2)
  for await (const _ of client.list(0)) break
  assert.equal(client.stats().LIST.requests, 3)
})

test('a client recognizes its own write whose response was lost, and does not take another client’s write for its own', async (t) => {
  for (const size of [1000, 9 * MiB]) {
    const { store, client } = await strict(t)
    const last = size > 8 * MiB ? 'PIECE' : 'MULTIPART'
    once(store, last, lostAnswer, size > 8 * MiB ? 2 : 1)
    await client.write(file(1), testBytes(size), { timestamp: 7, createOnly: true })
    assert.equal(client.stats().PUT.retries, 1)
    assert.equal(store.objects.get(KEY)!.body.byteLength, size)
    once(store, 'MULTIPART', (response) => response.destroy())
    for (const timestamp of [7, 8]) {
      const taken = client.write(file(1), testBytes(size + 1), { timestamp, createOnly: true })
      await assert.rejects(taken, (error) => isLitestreamError(error, 'PRECONDITION_FAILED'))
    }
  }
})

test('if the upload of a part is interrupted, the upload continues at the offset that the store reports', async (t) => {
  const { store, client } = await strict(t)
  const bytes = testBytes(20 * MiB)
  let pieces = 0
  store.behave((request, response) => {
    if (request.kind !== 'PIECE' || ++pieces !== 2) return false
    // Of the second piece the store keeps 1 MiB.
    const [session] = store.sessions.values()
    session!.stored = Buffer.concat([session!.stored, request.body.subarray(0, MiB)])
    response.writeHead(503)
    response.end()
    return true
  })
  await client.write(file(1), inPieces(bytes, 700_001), { timestamp: 1, createOnly: true })
  assert.equal(sha256(store.objects.get(KEY)!.body), sha256(bytes))
  assert.deepEqual(kinds(store), ['BEGIN', 'PIECE', 'PIECE', 'QUERY', 'PIECE', 'PIECE'])
  const third = store.seen.filter(({ kind }) => kind === 'PIECE')[2]!
  assert.equal(third.headers['content-range'], `bytes ${9 * MiB}-${16 * MiB - 1}/*`)
})

test('an upload that fails or is cancelled ends its upload session', async (t) => {
  const { store, client } = await strict(t, { attempts: 2 })
  async function* broken() {
    yield* inPieces(testBytes(17 * MiB), MiB)
    throw new Error('the source broke')
  }
  await assert.rejects(client.write(file(1), broken(), { timestamp: 1, createOnly: true }), /the source broke/)
  const abort = new AbortController()
  async function* cancelled() {
    yield* inPieces(testBytes(9 * MiB), MiB)
    abort.abort()
    yield testBytes(9 * MiB)
  }
  const write = client.write(file(1), cancelled(), { timestamp: 1, signal: abort.signal })
  await assert.rejects(write, (error) => isLitestreamError(error, 'ABORTED'))
  assert.equal(store.objects.size, 0)
  assert.equal(store.sessions.size, 0)
  assert.equal(kinds(store).filter((kind) => kind === 'ABANDON').length, 2)
})

test('an interrupted download continues in the same object generation, and fails if the object was replaced', async (t) => {
  const { store, client } = await strict(t)
  const bytes = testBytes(3 * MiB)
  await client.write(file(1), bytes, { timestamp: 1 })
  const { generation } = store.objects.get(KEY)!
  const half = (response: ServerResponse) => {
    response.writeHead(206, {
      'content-range': `bytes 0-${bytes.byteLength - 1}/${bytes.byteLength}`,
      'content-length': bytes.byteLength,
      'x-goog-generation': String(generation),
    })
    response.write(bytes.subarray(0, 2 * MiB), () => response.destroy())
  }
  once(store, 'GET', half)
  assert.equal(sha256(await concatenated(client.stream(file(1)))), sha256(bytes))
  const [, second] = store.seen.filter(({ kind }) => kind === 'GET')
  assert.equal(second!.query.get('ifGenerationMatch'), String(generation))
  assert.equal(client.stats().GET.retries, 1)
  once(store, 'GET', (response) => {
    store.objects.set(KEY, { body: Buffer.from(testBytes(3 * MiB, 9)), generation: 1, metadata: undefined })
    half(response)
  })
  await assert.rejects(concatenated(client.stream(file(1))), (error) => isLitestreamError(error, 'NOT_FOUND'))
})

test('temporary faults are retried, other faults are not, and the page of a proxy is not taken for a response of the store', async (t) => {
  const { store, client } = await strict(t, { attempts: 3, firstByteTimeout: 2_000 })
  await client.write(file(1), testBytes(10), { timestamp: 1 })
  const respond = (status: number, body: string, headers: Record<string, string> = {}) => {
    store.behave((_, response) => {
      response.writeHead(status, headers)
      response.end(body)
      return true
    })
  }
  const code = async (act: () => Promise<unknown>) => {
    const before = store.seen.length
    const error = await act().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(isLitestreamError(error), String(error))
    return [error.code, store.seen.length - before]
  }
  const list = () => collect(client.list(0))
  respond(503, 'busy')
  assert.deepEqual(await code(list), ['UNAVAILABLE', 3])
  respond(429, '', { 'retry-after': '0.01' })
  assert.deepEqual(await code(list), ['THROTTLED', 3])
  respond(200, '<html>Welcome to the hotel</html>')
  assert.deepEqual(await code(list), ['UNAVAILABLE', 3])
  assert.deepEqual(await code(() => client.read(file(1), { offset: 0, length: 4 })), ['UNAVAILABLE', 3])
  assert.deepEqual(await code(() => client.write(file(2), testBytes(5), { timestamp: 1 })), ['UNAVAILABLE', 3])
  respond(200, '{}')
  assert.deepEqual(await code(list), ['UNAVAILABLE', 3])
  respond(400, '{"error":{"message":"no"}}')
  assert.deepEqual(await code(list), ['STORAGE_FAILED', 1])
  respond(404, '{"error":{"message":"The specified bucket does not exist."}}')
  assert.deepEqual(await code(list), ['NOT_FOUND', 1])
  assert.deepEqual(await code(() => client.getObject('lock.json')), ['NOT_FOUND', 1])
  assert.deepEqual(await code(() => client.delete([file(1)])), ['NOT_FOUND', 1])
})
