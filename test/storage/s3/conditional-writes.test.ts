import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { Lease } from '../../../src/levels/lease.js'
import type { S3ReplicaClient } from '../../../src/storage/s3/s3-client.js'
import { weakFencing } from '../../../src/storage/write-guarantees.js'
import { cleanUp } from '../../support/clean-up.js'
import { faultyS3, s3ClientAt } from '../../support/faulty-s3.js'
import { type Behaviour, type LoopbackS3, loopbackS3, sendError } from '../../support/loopback-s3.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const taken = (error: unknown) => isLitestreamError(error, 'PRECONDITION_FAILED')
const isConditional: Behaviour = ({ headers }) => 'if-none-match' in headers || 'if-match' in headers

/** Stores that lack conditional writes, each in its own way. */
const STORES: readonly (readonly [string, Behaviour, RegExp])[] = [
  [
    '501 with an error document',
    (request, response) => isConditional(request, response) && refuse(response, 501),
    /does not support If-None-Match/,
  ],
  [
    '501 without a body',
    (request, response) => isConditional(request, response) && !!response.writeHead(501, { 'content-length': 0 }).end(),
    /does not support If-None-Match/,
  ],
  [
    '400',
    (request, response) => isConditional(request, response) && refuse(response, 400),
    /does not support If-None-Match/,
  ],
  [
    'ignored',
    ({ headers }) => {
      delete headers['if-none-match']
      delete headers['if-match']
      return false
    },
    /ignores If-None-Match/,
  ],
]

function refuse(response: Parameters<Behaviour>[1], status: number): true {
  sendError(response, status, status === 501 ? 'NotImplemented' : 'InvalidRequest')
  return true
}

async function clientOf(t: TestContext, store: LoopbackS3, parameters = ''): Promise<S3ReplicaClient> {
  const client = await s3ClientAt(store.url() + parameters, { attempts: 2 })
  cleanUp(t, () => client.close())
  return client
}

test('if a store has no conditional writes, the client checks the name before and after it writes an object, and reports the reason', async (t) => {
  for (const [name, behaviour, reason] of STORES) {
    const store = await loopbackS3(t, behaviour)
    const client = await clientOf(t, store)
    const other = await clientOf(t, store)
    assert.equal(client.guarantees.known, undefined)
    const body = randomBytes(100)
    await client.write(file(1), body, { timestamp: 1, createOnly: true })
    assert.match(weakFencing(client)!, reason, name)
    assert.deepEqual([...store.objects.keys()], ['app/0000/0000000000000001-0000000000000001.ltx'], 'the probe is gone')
    assert.equal(weakFencing(other), weakFencing(client), 'the probe of one client is that of all')
    await assert.rejects(other.write(file(1), randomBytes(100), { timestamp: 1, createOnly: true }), taken)
    assert.deepEqual(store.objects.get('app/0000/0000000000000001-0000000000000001.ltx')!.body, body)

    store.seen.length = 0
    await client.write(file(2), body, { timestamp: 1, createOnly: true })
    assert.deepEqual(
      store.seen.map(({ kind }) => kind),
      ['HEAD', 'PUT', 'HEAD'],
    )
    assert.ok(!store.seen.some((request) => isConditional(request, undefined!)))

    const tag = await client.putObject('primary.json', Buffer.from('1'), null)
    await assert.rejects(other.putObject('primary.json', Buffer.from('2'), null), taken)
    const next = await other.putObject('primary.json', Buffer.from('3'), tag)
    await assert.rejects(client.putObject('primary.json', Buffer.from('4'), tag), taken)
    await assert.rejects(client.deleteObject('primary.json', tag), taken)
    await client.deleteObject('primary.json', next)
  }
})

test('if a writer’s file is overwritten between the writer’s requests, the writer detects the overwrite', async (t) => {
  const store = await loopbackS3(t, STORES[3]![1])
  const client = await clientOf(t, store, '&conditional-writes=never')
  const ignores = STORES[3]![1]
  store.behave((request, response) => {
    // The other writer comes directly after our PUT.
    if (request.kind === 'HEAD' && store.objects.has(request.key))
      store.objects.set(request.key, { body: randomBytes(9) })
    return ignores(request, response)
  })
  await assert.rejects(client.write(file(1), randomBytes(100), { timestamp: 1, createOnly: true }), taken)
})

test('if a store has no conditional writes, a lease is refused with the reason', async (t) => {
  for (const [name, behaviour, reason] of STORES) {
    const store = await loopbackS3(t, behaviour)
    const client = await clientOf(t, store)
    const lease = new Lease(client, { ttl: 10_000 })
    await assert.rejects(
      lease.acquire(),
      (error) =>
        isLitestreamError(error, 'STORAGE_FAILED') &&
        /a lease needs conditional writes/.test(error.message) &&
        reason.test(error.message) &&
        /docs\/storage\.md/.test(error.hint),
      name,
    )
    // The probe is deleted at the latest when the client is closed.
    await client.close()
    assert.equal(store.objects.size, 0)
  }
})

test('close() waits until the probe object is deleted, but at most until its deadline', async (t) => {
  const store = await loopbackS3(t, ({ kind, key }) => kind === 'DELETE' && key.includes('probe-'))
  const client = await clientOf(t, store)
  await client.write(file(1), randomBytes(10), { timestamp: 1, createOnly: true })
  await assert.rejects(client.close({ timeout: 1 }), (error) => isLitestreamError(error, 'TIMEOUT'))
})

test('conditional-writes: always and conditional-writes: never select the behaviour without a probe', async (t) => {
  const store = await loopbackS3(t, STORES[0]![1])
  const always = await clientOf(t, store, '&conditionalWrites=always')
  const refused = (header: string) => (error: unknown) =>
    isLitestreamError(error, 'STORAGE_FAILED') &&
    error.message.includes(`does not support conditional writes (${header})`) &&
    /conditional-writes: auto/.test(error.hint)
  const body = randomBytes(100)
  await assert.rejects(always.write(file(1), body, { timestamp: 1, createOnly: true }), refused('If-None-Match'))
  await assert.rejects(always.putObject('lock.json', body, null), refused('If-None-Match'))
  await assert.rejects(always.putObject('lock.json', body, '"tag"'), refused('If-Match'))
  assert.deepEqual([store.objects.size, store.seen.length], [0, 3], 'such a refusal is final')
  const good = await loopbackS3(t)
  const never = await clientOf(t, good, '&conditional-writes=never')
  await never.write(file(1), body, { timestamp: 1, createOnly: true })
  assert.deepEqual(
    good.seen.map(({ kind }) => kind),
    ['HEAD', 'PUT', 'HEAD'],
  )
  assert.match(weakFencing(never)!, /conditional-writes: never/)
})

test('a store that enforces conditions is probed once with four requests, and a refusal for another reason is no proof of enforcement', async (t) => {
  const { client, proxy } = await faultyS3(t)
  proxy.reset()
  await client.write(file(1), randomBytes(100), { timestamp: 1, createOnly: true })
  assert.equal(proxy.counts().requests, 5)
  assert.deepEqual(client.guarantees.known, { createOnly: true, compareAndSet: true, reason: undefined })
  await client.write(file(2), randomBytes(100), { timestamp: 1, createOnly: true })
  assert.equal(proxy.counts().requests, 6)

  const store = await loopbackS3(t, (_, response) => refuse(response, 403))
  const shut = await clientOf(t, store)
  store.behave((_, response) => {
    sendError(response, 403, 'AccessDenied')
    return true
  })
  await assert.rejects(shut.write(file(1), randomBytes(9), { timestamp: 1, createOnly: true }), (error) =>
    isLitestreamError(error, 'ACCESS_DENIED'),
  )
  assert.equal(shut.guarantees.known, undefined)
  store.behave(() => false)
  await shut.write(file(1), randomBytes(9), { timestamp: 1, createOnly: true })
  assert.equal(weakFencing(shut), undefined)
})

test('if a store has no DeleteObjects, the client deletes each object with its own request after the first refusal', async (t) => {
  for (const [status, code] of [
    [400, 'InvalidArgument'],
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
  ] as const) {
    let atOnce = 0
    let most = 0
    const store = await loopbackS3(t, (request, response) => {
      if (request.kind === 'POST') {
        sendError(response, status, code)
        return true
      }
      if (request.kind === 'DELETE') {
        most = Math.max(most, ++atOnce)
        setImmediate(() => atOnce--)
      }
      return false
    })
    const client = await clientOf(t, store)
    const refs = Array.from({ length: 60 }, (_, i) => file(i + 1))
    for (const ref of refs) await client.write(ref, randomBytes(10), { timestamp: 1 })
    store.seen.length = 0
    await client.delete(refs.slice(0, 50))
    assert.equal(store.objects.size, 10)
    assert.equal(store.seen.filter(({ kind }) => kind === 'POST').length, 1)
    assert.ok(most <= 16, String(most))
    await client.delete(refs)
    assert.equal(store.objects.size, 0)
    assert.equal(store.seen.filter(({ kind }) => kind === 'POST').length, 1, 'found out once')
    assert.equal(client.stats().DELETE.errors, 1)
  }
})

test('without the right to delete, the errors of single deletes name the objects and the missing right', async (t) => {
  const store = await loopbackS3(t, (request, response) => {
    if (request.kind === 'POST') return refuse(response, 501)
    if (request.kind !== 'DELETE') return false
    sendError(response, 403, 'AccessDenied')
    return true
  })
  const client = await clientOf(t, store)
  await assert.rejects(
    client.delete([file(1), file(2)]),
    (error) =>
      isLitestreamError(error, 'ACCESS_DENIED') &&
      /deleting 2 of 2 objects.*0000000000000001/.test(error.message) &&
      /DeleteObject/.test(error.hint),
  )
})

test('if a store ignores the StartAfter parameter, the client still lists the files correctly', async (t) => {
  const store = await loopbackS3(t, ({ query }) => {
    query.delete('start-after')
    query.set('max-keys', '3')
    return false
  })
  const client = await clientOf(t, store)
  const refs = Array.from({ length: 10 }, (_, i) => file(i + 1))
  for (const ref of [...refs, { level: 1, minTxid: 1, maxTxid: 4 }, { level: 9, minTxid: 1, maxTxid: 10 }]) {
    await client.write(ref, randomBytes(10), { timestamp: 1 })
  }
  const names = async (files: AsyncIterable<{ level: number; minTxid: number }>) => {
    const found: string[] = []
    for await (const { level, minTxid } of files) found.push(`${level}:${minTxid}`)
    return found
  }
  assert.deepEqual(await names(client.list(0, { fromTxid: 8 })), ['0:8', '0:9', '0:10'])
  assert.deepEqual(await names(client.listUpwards(1)), ['1:1', '9:1'])
  assert.deepEqual(await names(client.listUpwards(0, { fromTxid: 10 })), ['0:10', '1:1', '9:1'])
})
