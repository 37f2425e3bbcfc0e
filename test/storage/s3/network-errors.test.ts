import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { mock, type TestContext, test } from 'node:test'
import { type ErrorCode, isLitestreamError, LitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { makeCertificates } from '../../support/certificates.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import { type LoopbackRequest, loopbackS3, sendError } from '../../support/loopback-s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const file = { level: 0, minTxid: 1, maxTxid: 1 }

async function failure(t: TestContext, url: string, read = false): Promise<LitestreamError> {
  const random = mock.method(Math, 'random', () => 0)
  const client = await s3ClientAt(url, { attempts: 2 })
  cleanUp(t, () => client.close())
  try {
    await (read ? client.read(file, { offset: 0 }) : collect(client.list(0)))
  } catch (error) {
    assert.ok(error instanceof LitestreamError, String(error))
    return error
  } finally {
    random.mock.restore()
  }
  assert.fail('it went well')
}

function checked(error: LitestreamError, code: ErrorCode, message: RegExp, hint: RegExp): void {
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  assert.match(error.message, /s3:\/\/b\/app/)
  assert.doesNotMatch(error.message, /Unknown|undefined|: $/)
  assert.match(error.hint ?? '', hint, error.message)
}

const urlAt = (endpoint: string) =>
  `s3://loopback:loopback@b/app?endpoint=${encodeURIComponent(endpoint)}&region=us-east-1`

test('the errors for an unknown host, a port without a server, and a server that is not HTTP have the endpoint and the next step', async (t) => {
  const unknown = await failure(t, urlAt('http://no-such-host.invalid:9000'))
  checked(
    unknown,
    'UNAVAILABLE',
    /(ENOTFOUND|EAI_AGAIN).*\(endpoint http:\/\/no-such-host\.invalid:9000\)/,
    /name server/,
  )
  const server = createServer((socket) => socket.resume().end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  checked(await failure(t, urlAt(`http://127.0.0.1:${port}`)), 'UNAVAILABLE', /endpoint http/, /does not speak HTTP/)
  checked(await failure(t, urlAt(`https://127.0.0.1:${port}`)), 'UNAVAILABLE', /endpoint https/, /http or https/)
  await new Promise((done) => server.close(done))
  checked(await failure(t, urlAt(`http://127.0.0.1:${port}`)), 'UNAVAILABLE', /ECONNREFUSED/, /no server listens/)
})

test('a certificate of an unknown authority is reported with its own error, and the request is not retried', async (t) => {
  for (const name of ['AWS_CA_BUNDLE', 'SSL_CERT_FILE']) delete process.env[name]
  const { serverCert, serverKey } = makeCertificates(temporaryDirectory(t))
  const tls = { cert: readFileSync(serverCert), key: readFileSync(serverKey) }
  const server = createTlsServer(tls, (_, response) => response.end()).listen(0, '127.0.0.1')
  cleanUp(t, () => new Promise((done) => server.close(done)))
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  checked(await failure(t, urlAt(`https://127.0.0.1:${port}`)), 'ACCESS_DENIED', /certificate/, /NODE_EXTRA_CA_CERTS/)
})

test('the error for a refusal, with or without a body, has the error code, the bucket’s region and the next step', async (t) => {
  const store = await loopbackS3(t)
  const cases: [number, string, ErrorCode, RegExp][] = [
    [301, 'PermanentRedirect', 'STORAGE_FAILED', /region/],
    [307, 'TemporaryRedirect', 'STORAGE_FAILED', /region/],
    [400, 'AuthorizationHeaderMalformed', 'STORAGE_FAILED', /region/],
    [400, 'SomethingNew', 'STORAGE_FAILED', /documentation of the store/],
    [403, 'AccessDenied', 'ACCESS_DENIED', /s3:ListBucket/],
    [403, 'SomethingElse', 'ACCESS_DENIED', /s3:ListBucket/],
    [404, 'NoSuchBucket', 'NOT_FOUND', /Create the bucket/],
    [501, 'NotImplemented', 'STORAGE_FAILED', /does not implement/],
    [500, 'InternalError', 'UNAVAILABLE', /an internal error/],
    [503, 'SlowDown', 'THROTTLED', /fewer|internal error/],
  ]
  for (const [status, name, code, hint] of cases) {
    for (const region of [undefined, 'eu-west-7']) {
      for (const withBody of [true, false]) {
        store.behave((_, response) => {
          if (region !== undefined) response.setHeader('x-amz-bucket-region', region)
          if (withBody) sendError(response, status, name)
          else response.writeHead(status, { 'content-length': 0 }).end()
          return true
        })
        const error = await failure(t, store.url(), true)
        const what = `${status} ${name} ${region} ${withBody}`
        assert.doesNotMatch(error.message, /Unknown|undefined/, what)
        assert.ok(error.hint, what)
        if (withBody) checked(error, code, new RegExp(name), hint)
        else assert.match(error.message, new RegExp(`HTTP ${status}|NotFound|NoSuchKey`), what)
        if (region !== undefined && status < 400) assert.match(error.hint, /eu-west-7/, what)
      }
    }
  }
})

const PORTAL = '<!DOCTYPE html><html><head><title>Welcome to Hotel Wi-Fi</title></head><body>Log in</body></html>'

test('the page of a captive portal or a proxy is never taken for a store’s response', async (t) => {
  const store = await loopbackS3(t)
  const answers: [string, number, Record<string, string>, string][] = [
    ['a page', 200, { 'content-type': 'text/html' }, PORTAL],
    ['a page without a type', 200, {}, PORTAL],
    ['a redirection', 302, { 'content-type': 'text/html', location: 'http://portal/' }, PORTAL],
    ['a page that is not found', 404, { 'content-type': 'text/html' }, PORTAL],
    ['a page that is forbidden', 403, { 'content-type': 'text/html' }, '<html></html>'],
    ['a gateway', 502, { 'content-type': 'text/html' }, PORTAL],
  ]
  for (const [what, status, headers, body] of answers) {
    store.behave((_, response) => {
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
      return true
    })
    const client = await s3ClientAt(store.url(), { attempts: 1 })
    cleanUp(t, () => client.close())
    const operations: [string, () => Promise<unknown>][] = [
      ['list', () => collect(client.list(0))],
      ['read', () => client.read(file, { offset: 0 })],
      ['object', () => client.getObject('lock.json')],
      ['write', () => client.write(file, Buffer.from('x'), { timestamp: 1, createOnly: true })],
      ['delete', () => client.delete([file])],
    ]
    for (const [name, operation] of operations) {
      await assert.rejects(
        operation(),
        (error) =>
          isLitestreamError(error, status >= 500 ? 'UNAVAILABLE' : 'STORAGE_FAILED', 'UNAVAILABLE') &&
          /not (?:an S3|the) store/.test(error.hint ?? ''),
        `${what}: ${name}`,
      )
    }
  }
  store.behave((_, response) => {
    response.writeHead(403, { 'content-type': 'application/xml' })
    response.end(`<Error><Code>AccessDenied</Code><Message>${'x'.repeat(1 << 20)}</Message></Error>`)
    return true
  })
  const error = await failure(t, store.url())
  assert.equal(error.code, 'ACCESS_DENIED', 'of a refusal that is too long, the status counts')
  assert.ok(error.message.length < 500)
})

test('close() of the client ends running requests, and the client sends no request after close()', async (t) => {
  const waiting: LoopbackRequest[] = []
  const store = await loopbackS3(t, (request) => waiting.push(request) > 0)
  const client = await openReplicaClient(store.url())
  const operations = [
    collect(client.list(0)),
    client.read(file, { offset: 0 }),
    client.stat(file),
    client.write(file, Buffer.from('x'), { timestamp: 1 }),
    client.delete([file]),
    client.getObject('lock.json'),
  ]
  const settled = Promise.allSettled(operations)
  while (waiting.length < operations.length) await new Promise(setImmediate)
  await client.close()
  for (const result of await settled) {
    assert.ok(result.status === 'rejected' && isLitestreamError(result.reason, 'ABORTED'), JSON.stringify(result))
  }
  assert.equal(waiting.length, operations.length)
  await assert.rejects(client.stat(file), { code: 'ABORTED' })
})
