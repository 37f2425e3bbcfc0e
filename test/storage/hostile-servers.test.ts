// Servers that answer requests of an HTTP store wrongly: each client ends the connection of a body
// that it no longer reads, and follows no redirection.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { isLitestreamError } from '../../src/errors.js'
import { openAbsClient } from '../../src/storage/abs/abs-client.js'
import type { AbsLocation } from '../../src/storage/abs/location.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { parseReplicaUrl } from '../../src/storage/url.js'
import { AZURE_KEY } from '../support/azure.js'
import { cleanUp } from '../support/clean-up.js'
import { collect } from '../support/collect.js'
import { useEnv } from '../support/every-store.js'
import { until } from '../support/until.js'

const file = { level: 0, minTxid: 1, maxTxid: 1 }
const GiB = 2 ** 30

/** Replica URLs of a store at an address. */
const STORES: Readonly<Record<string, (t: TestContext, port: number) => string>> = {
  s3: (_t, port) => `s3://id:key@bucket/app?endpoint=http://127.0.0.1:${port}&region=us-east-1`,
  gs: (t, port) => {
    useEnv(t, { STORAGE_EMULATOR_HOST: `http://127.0.0.1:${port}` })
    return 'gs://bucket/app'
  },
  abs: (_t, port) =>
    `abs://account:${encodeURIComponent(AZURE_KEY)}@container/app?endpoint=${encodeURIComponent(`http://127.0.0.1:${port}/account`)}`,
  webdav: (_t, port) => `webdav://me:secret-of-mine@127.0.0.1:${port}/app`,
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve(t: TestContext, answer: Answer) {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    request.resume()
    // So that a WebDAV client accepts it.
    if (request.method === 'OPTIONS') response.writeHead(200, { dav: '1,2' }).end()
    else if (request.method === 'PROPFIND' && request.headers.depth === '0') response.writeHead(404).end()
    else answer(request, response)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(t, () => {
    server.closeAllConnections()
    server.close()
  })
  return { sockets, port: (server.address() as AddressInfo).port }
}

/** A body without an end, sent as fast as the client reads it. */
function sendEndless(response: ServerResponse): void {
  response.writeHead(206, {
    'content-range': `bytes 0-${GiB - 1}/${GiB}`,
    'content-length': GiB,
    etag: '"0x1"',
    'x-goog-generation': '1',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
  })
  const chunk = Buffer.alloc(64 * 1024)
  const body = new Readable({
    read() {
      this.push(chunk)
    },
  })
  response.once('close', () => body.destroy())
  body.pipe(response)
}

for (const [name, urlOf] of Object.entries(STORES)) {
  test(`${name}: if the reader of a response body stops, the connection of the body is closed`, async (t) => {
    const { sockets, port } = await serve(t, (_request, response) => sendEndless(response))
    const client = await openReplicaClient(urlOf(t, port))
    cleanUp(t, () => client.close())
    const isStreaming = () => [...sockets].some((socket) => socket.bytesWritten > 64 * 1024)
    for (let i = 0; i < 5; i++) for await (const _ of client.stream(file)) break
    await until('no body is sent any more', () => !isStreaming())
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const _ of client.stream(file, { signal: stop.signal })) stop.abort()
    })
    await until('no body is sent any more', () => !isStreaming())
  })

  test(`${name}: a redirection is an error, and the target of the redirection gets no request`, async (t) => {
    let asked = 0
    const target = await serve(t, (_request, response) => {
      asked++
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"kind":"storage#objects","items":[]}')
    })
    for (const location of [`http://127.0.0.1:${target.port}/x?sig=secret`, 'file:///etc/passwd']) {
      for (const status of [301, 302, 307, 308]) {
        const { port } = await serve(t, (_request, response) => response.writeHead(status, { location }).end())
        const client = await openReplicaClient(urlOf(t, port))
        cleanUp(t, () => client.close())
        const what = `${status} to ${location}`
        for (const operation of [
          () => collect(client.list(0)),
          () => client.read(file, { offset: 0, length: 10 }),
          () => client.write(file, Buffer.from('x'), { timestamp: 1 }),
        ]) {
          await assert.rejects(
            operation(),
            (error) => isLitestreamError(error, 'STORAGE_FAILED') && !error.message.includes('sig=secret'),
            what,
          )
        }
      }
    }
    assert.equal(asked, 0)
  })
}

test('abs: an endless response that is not a blob is refused, and is not kept in memory', async (t) => {
  let sent = 0
  const { port } = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/xml' })
    const body = new Readable({
      read() {
        sent += 64 * 1024
        this.push(Buffer.alloc(64 * 1024, ' '))
      },
    })
    response.once('close', () => body.destroy())
    body.pipe(response)
  })
  const location = parseReplicaUrl(STORES.abs!(t, port)) as AbsLocation
  const client = openAbsClient(location, {}, { policy: { attempts: 1 } })
  cleanUp(t, () => client.close())
  await assert.rejects(collect(client.list(0)), (error) => {
    assert.ok(isLitestreamError(error, 'UNAVAILABLE'), String(error))
    return /the reply is longer than \d+ bytes/.test(error.message)
  })
  assert.ok(sent < 64 * 2 ** 20, `${sent} bytes were taken`)
})
