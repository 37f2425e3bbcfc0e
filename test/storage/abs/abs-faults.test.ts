import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../../src/errors.js'
import { openAbsClient } from '../../../src/storage/abs/abs-client.js'
import type { AbsLocation } from '../../../src/storage/abs/location.js'
import type { RequestPolicy } from '../../../src/storage/request-policy.js'
import { parseReplicaUrl } from '../../../src/storage/url.js'
import { concatenated, file, inPieces, sha256, testBytes } from '../../conformance/replica-client/bytes.js'
import { AZURE_ACCOUNT, azureEndpoint, azureMissing, azureUrl, newContainer } from '../../support/azure.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { notRun } from '../../support/not-run.js'

const MiB = 1024 * 1024

/** An answer of Azurite, read whole. */
interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/**
 * Answers a request itself and returns true, or leaves it to Azurite. `forward` has Azurite carry
 * it out.
 */
type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  forward: () => Promise<Answer>,
) => boolean | Promise<boolean>

/** A proxy in front of Azurite that can inject faults, and a client that connects through it. */
async function faulty(t: TestContext, container: string, policy: Partial<RequestPolicy> = {}) {
  let behaviour: Behaviour = () => false
  const seen: string[] = []
  const server = createServer((req, res) => {
    const answer = async () => {
      const body = await buffer(req)
      seen.push(`${req.method} ${new URL(req.url!, 'http://x').searchParams.get('comp') ?? ''}`.trim())
      const forward = () => forwarded(req, body)
      if (await behaviour(req, res, forward)) return
      const { status, headers, body: reply } = await forward()
      res.writeHead(status, headers).end(reply)
    }
    answer().catch(() => res.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${AZURE_ACCOUNT}`
  const location = parseReplicaUrl(azureUrl(container, 'app.db', endpoint)) as AbsLocation
  const client = openAbsClient(location, {}, { policy })
  cleanUp(t, () => client.close())
  const behave = (next: Behaviour) => {
    behaviour = next
  }
  return { client, seen, behave }
}

async function forwarded(req: IncomingMessage, body: Buffer): Promise<Answer> {
  const to = new URL(azureEndpoint())
  const sent = httpRequest({
    host: to.hostname,
    port: to.port,
    path: req.url,
    method: req.method,
    headers: req.headers,
  })
  sent.end(body)
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: reply.statusCode!, headers: reply.headers, body: await buffer(reply) }
}

/** A test against Azurite. */
function azureTest(name: string, run: (t: TestContext, container: string) => Promise<void>): void {
  test(name, async (t) => {
    if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing)
    await run(t, await newContainer(t))
  })
}

azureTest(
  'a write whose response was lost is recognized as its own; a write of another client is not',
  async (t, container) => {
    const { client, behave } = await faulty(t, container)
    for (const [txid, size] of [1000, 9 * MiB].entries()) {
      let lost = 0
      behave(async ({ method, url }, response, forward) => {
        const last = size > 8 * MiB ? url!.includes('comp=blocklist') : true
        if (method !== 'PUT' || !last || ++lost > 1) return false
        await forward()
        response.destroy()
        return true
      })
      const before = client.stats().PUT.retries
      await client.write(file(txid + 1), testBytes(size), { timestamp: 7, createOnly: true })
      assert.equal(client.stats().PUT.retries - before, 1)
      assert.equal((await client.stat(file(txid + 1))).size, size)
      behave(() => false)
      for (const [other, timestamp] of [
        [size, 7],
        [size + 1, 7],
      ] as const) {
        const taken = client.write(file(txid + 1), testBytes(other, 5), { timestamp, createOnly: true })
        await assert.rejects(taken, (error) => isLitestreamError(error, 'PRECONDITION_FAILED'))
      }
    }
  },
)

azureTest('an interrupted block is sent again, and no other', async (t, container) => {
  const { client, behave, seen } = await faulty(t, container)
  const bytes = testBytes(20 * MiB)
  let blocks = 0
  behave(({ url }, response) => {
    if (!url!.includes('comp=block&') || ++blocks !== 2) return false
    response.writeHead(503, { 'x-ms-error-code': 'ServerBusy' }).end()
    return true
  })
  await client.write(file(1), inPieces(bytes, 700_001), { timestamp: 1, createOnly: true })
  assert.equal(sha256(await concatenated(client.stream(file(1)))), sha256(bytes))
  assert.equal(seen.filter((each) => each === 'PUT block').length, 4)
  assert.equal(seen.filter((each) => each === 'PUT blocklist').length, 1)
})

azureTest(
  'an interrupted body is continued with the same ETag, and fails if the blob was replaced',
  async (t, container) => {
    const { client, behave } = await faulty(t, container)
    const bytes = testBytes(3 * MiB)
    await client.write(file(1), bytes, { timestamp: 1 })
    const conditions: (string | undefined)[] = []
    let replace = false
    behave(async (request, response, forward) => {
      if (request.method !== 'GET') return false
      conditions.push(request.headers['if-match'])
      if (conditions.length % 2 === 0) return false
      const { status, headers, body } = await forward()
      if (replace) await client.write(file(1), testBytes(3 * MiB, 9), { timestamp: 1 })
      response.writeHead(status, headers)
      response.write(body.subarray(0, 2 * MiB), () => response.destroy())
      return true
    })
    assert.equal(sha256(await concatenated(client.stream(file(1)))), sha256(bytes))
    assert.equal(conditions.length, 2)
    assert.match(conditions[1]!, /^"0x[0-9A-F]+"$/)
    assert.equal(client.stats().GET.retries, 1)
    replace = true
    await assert.rejects(concatenated(client.stream(file(1))), (error) => isLitestreamError(error, 'NOT_FOUND'))
  },
)

azureTest(
  'the error of a refused signature says by how much the clock of this machine is wrong',
  async (t, container) => {
    const { client, behave } = await faulty(t, container)
    for (const [hours, said] of [
      [3, /; the clock of this machine is (3h|2h59m[\d.]+s) behind the clock of the store$/],
      [-3, /; the clock of this machine is 3h([\d.]+s)? ahead of the clock of the store$/],
      [0, /failed: AuthenticationFailed$/],
    ] as const) {
      behave((_, response) => {
        const date = new Date(Date.now() + hours * 3_600_000).toUTCString()
        response.writeHead(403, { date, 'x-ms-error-code': 'AuthenticationFailed' }).end()
        return true
      })
      await assert.rejects(collect(client.list(0)), (error) => {
        assert.ok(isLitestreamError(error, 'ACCESS_DENIED'), String(error))
        assert.match(error.message, said)
        assert.match(error.hint, hours === 0 ? /and check the clock/ : /^Set the clock of this machine/)
        return true
      })
    }
  },
)

azureTest('temporary faults are retried, and pages of proxies are not taken for responses', async (t, container) => {
  const { client, behave, seen } = await faulty(t, container, { attempts: 3, firstByteTimeout: 5_000 })
  await client.write(file(1), testBytes(10), { timestamp: 1 })
  const respond = (status: number, code: string, body = '') => {
    behave((_, response) => {
      response.writeHead(status, code === '' ? {} : { 'x-ms-error-code': code }).end(body)
      return true
    })
  }
  const code = async (act: () => Promise<unknown>) => {
    const before = seen.length
    const error = await act().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(isLitestreamError(error), String(error))
    return [error.code, seen.length - before]
  }
  const list = () => collect(client.list(0))
  respond(503, 'ServerBusy')
  assert.deepEqual(await code(list), ['THROTTLED', 3])
  respond(500, 'InternalError')
  assert.deepEqual(await code(() => client.stat(file(1))), ['UNAVAILABLE', 3])
  respond(200, '', '<html>Welcome to the hotel</html>')
  assert.deepEqual(await code(list), ['UNAVAILABLE', 3])
  assert.deepEqual(await code(() => client.write(file(2), testBytes(5), { timestamp: 1 })), ['UNAVAILABLE', 3])
  respond(403, 'AuthorizationPermissionMismatch')
  assert.deepEqual(await code(list), ['ACCESS_DENIED', 1])
  respond(404, 'ContainerNotFound')
  assert.deepEqual(await code(() => client.getObject('lock.json')), ['NOT_FOUND', 1])
})
