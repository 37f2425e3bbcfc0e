import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { type ErrorCode, isLitestreamError, LitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { file, sha256, testBytes } from '../../conformance/replica-client/bytes.js'
import { makeCertificates } from '../../support/certificates.js'
import { collect } from '../../support/collect.js'
import { startApache } from '../../support/servers/apache.js'
import { freePort } from '../../support/servers/free-port.js'
import { startTinyproxy } from '../../support/servers/tinyproxy.js'
import { webdavUrl } from '../../support/webdav.js'

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'AWS_CA_BUNDLE', 'SSL_CERT_FILE']
const directory = mkdtempSync(path.join(tmpdir(), 'litestream-dav-tls-'))
const certificates = makeCertificates(directory)
const server = await startApache('', certificates)
const proxy = await startTinyproxy('BasicAuth user pass-of-proxy')
after(async () => {
  await Promise.all([server.stop(), proxy.stop()])
  rmSync(directory, { recursive: true })
})

beforeEach(() => {
  for (const name of VARIABLES.flatMap((one) => [one, one.toLowerCase()])) delete process.env[name]
})

const withLogin = `http://user:pass-of-proxy@${proxy.host}`

/** A new folder, at the https port. */
function secureUrl(query = '', location: 'dav' | 'basic' = 'basic'): string {
  const url = webdavUrl({ ...server, port: server.tlsPort }, randomUUID(), location)
  return `${url.replace('webdav:', 'webdavs:')}${query}`
}

const trusted = `?caFile=${encodeURIComponent(certificates.ca)}`

/** Writes, lists, reads and deletes. */
async function use(url: string): Promise<void> {
  const client = await openReplicaClient(url)
  try {
    const body = testBytes(300_000)
    await client.write(file(1), body, { timestamp: 1, createOnly: true })
    assert.equal((await collect(client.list(0))).length, 1)
    const { data } = await client.read(file(1), { offset: 1000, length: 70_000 })
    assert.equal(sha256(data), sha256(body.subarray(1000, 71_000)))
    await client.delete([file(1)])
    assert.equal((await collect(client.list(0))).length, 0)
  } finally {
    await client.close()
  }
}

async function refused(url: string, code: ErrorCode, message: RegExp, hint: RegExp): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  await assert.rejects(openReplicaClient(url, { signal }), (error: unknown) => {
    assert.ok(error instanceof LitestreamError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.match(error.hint, hint)
    const shown = JSON.stringify([error.message, error.hint, error.stack, String(error.cause)])
    assert.doesNotMatch(shown, /pass-of-proxy/)
    assert.ok(!shown.includes(server.password) && !shown.includes(encodeURIComponent(server.password)))
    return true
  })
}

test('a webdavs client trusts the certificate authorities in ca-file, AWS_CA_BUNDLE or SSL_CERT_FILE, and with skip-verify any certificate', async () => {
  await use(secureUrl(trusted))
  await use(secureUrl('?skipVerify=true'))
  process.env.SSL_CERT_FILE = certificates.ca
  await use(secureUrl())
  process.env.AWS_CA_BUNDLE = certificates.clientCert
  await refused(
    secureUrl(),
    'ACCESS_DENIED',
    /certificate of 127\.0\.0\.1:\d+ is "server", signed by "test authority"/,
    /AWS_CA_BUNDLE=/,
  )
  delete process.env.AWS_CA_BUNDLE
  delete process.env.SSL_CERT_FILE
  await refused(secureUrl(), 'ACCESS_DENIED', /signed by "test authority"/, /`ca-file`.*AWS_CA_BUNDLE/)
  await refused(secureUrl('?caFile=/nonexistent.pem'), 'CONFIG_INVALID', /ca-file: \/nonexistent\.pem/, /ca-file/)
})

test('a webdavs URL for a port without TLS and a webdav URL for a port with TLS are errors with the next step', async () => {
  const plain = webdavUrl(server, 'x').replace('webdav:', 'webdavs:')
  await refused(plain, 'UNAVAILABLE', /wrong version number|packet length/i, /TLS|http/i)
  // Apache answers such a request with 400, or ends the connection.
  await assert.rejects(openReplicaClient(secureUrl('', 'dav').replace('webdavs:', 'webdav:')), (error) =>
    isLitestreamError(error, 'STORAGE_FAILED', 'UNAVAILABLE'),
  )
})

test('webdav requests pass HTTP_PROXY, webdavs requests use a tunnel of HTTPS_PROXY, and hosts in NO_PROXY are reached directly', async () => {
  process.env.HTTP_PROXY = process.env.https_proxy = withLogin
  await use(webdavUrl(server, randomUUID(), 'digest'))
  const plain = proxy.requests()
  for (const method of ['PUT', 'LOCK', 'MOVE', 'UNLOCK', 'PROPFIND', 'GET', 'DELETE']) {
    assert.ok(
      plain.some((line) => line.startsWith(`${method} http://127.0.0.1:${server.port}/`)),
      method,
    )
  }
  await use(secureUrl(trusted))
  const tunnels = proxy.requests().slice(plain.length)
  assert.ok(tunnels.length > 0 && tunnels.every((line) => line.startsWith(`CONNECT 127.0.0.1:${server.tlsPort}`)))
  process.env.NO_PROXY = '127.0.0.1'
  const before = proxy.requests().length
  await use(secureUrl(trusted))
  assert.equal(proxy.requests().length, before)
})

test('the error for a proxy that requires a login or is unreachable names the proxy and its environment variable', async () => {
  process.env.HTTP_PROXY = process.env.HTTPS_PROXY = `http://${proxy.host}`
  await refused(secureUrl(trusted), 'ACCESS_DENIED', /407|401/, /user and the password of the proxy.*HTTPS_PROXY/)
  await refused(
    webdavUrl(server, 'x'),
    'ACCESS_DENIED',
    /HTTP 40[17]/,
    /user and the password of the proxy.*HTTP_PROXY/,
  )
  process.env.HTTPS_PROXY = `http://user:pass-of-proxy@127.0.0.1:${await freePort()}`
  await refused(
    secureUrl(trusted),
    'UNAVAILABLE',
    /the proxy http:\/\/127.*cannot be used.*ECONNREFUSED/,
    /Correct HTTPS_PROXY/,
  )
})
