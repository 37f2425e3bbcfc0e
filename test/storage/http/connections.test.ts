import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { beforeEach, type TestContext, test } from 'node:test'
import { type ErrorCode, LitestreamError } from '../../../src/errors.js'
import { statusOf } from '../../../src/storage/http/status-of.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { type Certificates, makeCertificates } from '../../support/certificates.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { s3ClientAt } from '../../support/faulty-s3.js'
import { LOOPBACK_KEYS, type LoopbackS3, loopbackS3 } from '../../support/loopback-s3.js'
import { freePort } from '../../support/servers/free-port.js'
import { startTinyproxy } from '../../support/servers/tinyproxy.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const file = (txid: number) => ({ level: 0, minTxid: txid, maxTxid: txid })
const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'AWS_CA_BUNDLE', 'SSL_CERT_FILE']

beforeEach(() => {
  for (const name of VARIABLES.flatMap((one) => [one, one.toLowerCase()])) delete process.env[name]
  Object.assign(process.env, LOOPBACK_KEYS)
})

async function tlsStore(t: TestContext): Promise<LoopbackS3 & { readonly certificates: Certificates }> {
  const certificates = makeCertificates(temporaryDirectory(t))
  const tls = { key: readFileSync(certificates.serverKey), cert: readFileSync(certificates.serverCert) }
  return { ...(await loopbackS3(t, undefined, tls)), certificates }
}

async function proxyDaemon(t: TestContext, config?: string) {
  const proxy = await startTinyproxy(config)
  cleanUp(t, () => proxy.stop())
  return proxy
}

/** Writes, lists, reads and deletes; with parts in the middle. */
async function use(url: string): Promise<void> {
  const client = await openReplicaClient(url)
  try {
    const body = randomBytes(6 * 2 ** 20)
    await client.write(file(1), body.subarray(0, 3 * 2 ** 20), { timestamp: 1 })
    assert.equal((await collect(client.list(0))).length, 1)
    const { data } = await client.read(file(1), { offset: 1000, length: 70_000 })
    assert.ok(body.subarray(1000, 71_000).equals(data))
    await client.delete([file(1)])
    assert.equal((await collect(client.list(0))).length, 0)
  } finally {
    await client.close()
  }
}

async function failure(t: TestContext, url: string): Promise<LitestreamError> {
  const client = await s3ClientAt(url, { attempts: 1 })
  cleanUp(t, () => client.close())
  return collect(client.list(0)).then(
    () => assert.fail('it went well'),
    (error: unknown) => {
      assert.ok(error instanceof LitestreamError, String(error))
      return error
    },
  )
}

function check(error: LitestreamError, code: ErrorCode, message: RegExp, hint: RegExp): void {
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  assert.match(error.hint, hint)
}

test('an http request passes the proxy unchanged, an https request uses a tunnel, and the hosts in NO_PROXY are reached directly', async (t) => {
  const [plain, secure, proxy] = await Promise.all([loopbackS3(t), tlsStore(t), proxyDaemon(t)])
  process.env.HTTP_PROXY = `http://${proxy.host}`
  process.env.https_proxy = proxy.host
  await use(plain.url('app db/ü'))
  // "." is a segment of the keys of s3://bucket, which a URL object would remove.
  await use(plain.url('').replace('/b/?', '/b?').replace('@b/', '@b'))
  assert.ok(plain.seen.some(({ key }) => key.startsWith('./0000/')))
  assert.equal(proxy.requests().filter((line) => line.startsWith('GET http://')).length > 0, true)
  const before = proxy.requests().length
  await use(`${secure.url()}&caFile=${encodeURIComponent(secure.certificates.ca)}`)
  const tunnels = proxy.requests().slice(before)
  assert.ok(tunnels.length > 0 && tunnels.every((line) => line.startsWith('CONNECT 127.0.0.1:')), tunnels.join('\n'))
  assert.ok(tunnels.length < 8, 'tunnels are used again')
  process.env.NO_PROXY = '127.0.0.0/8'
  const after = proxy.requests().length
  await use(plain.url())
  assert.equal(proxy.requests().length, after)
})

test('the error for a proxy that is unreachable, refuses requests or requires a login names the proxy and the environment variable', async (t) => {
  const [secure, plain, proxy] = await Promise.all([
    tlsStore(t),
    loopbackS3(t),
    proxyDaemon(t, 'BasicAuth user pass-of-proxy\nConnectPort 1\n'),
  ])
  const trusted = `${secure.url()}&caFile=${encodeURIComponent(secure.certificates.ca)}`
  process.env.HTTPS_PROXY = process.env.HTTP_PROXY = `http://${proxy.host}`
  const shown = new RegExp(`through the proxy http://${proxy.host}`)
  for (const url of [trusted, plain.url()]) {
    const error = await failure(t, url)
    check(error, 'ACCESS_DENIED', /40[17]/, /user and the password of the proxy into HTTPS?_PROXY/)
    assert.match(error.message, shown)
  }
  process.env.HTTPS_PROXY = process.env.HTTP_PROXY = `http://user:pass-of-proxy@${proxy.host}`
  await use(plain.url())
  const refused = await failure(t, trusted)
  check(refused, 'ACCESS_DENIED', /refused a connection to 127\.0\.0\.1:\d+: 403/, /NO_PROXY/)
  assert.doesNotMatch(JSON.stringify([refused.message, refused.hint, String(refused.cause)]), /pass-of-proxy/)
  process.env.HTTPS_PROXY = process.env.HTTP_PROXY = `http://127.0.0.1:${await freePort()}`
  for (const url of [trusted, plain.url()]) {
    check(await failure(t, url), 'UNAVAILABLE', /the proxy http:.*cannot be used.*ECONNREFUSED/, /Correct HTTPS?_PROXY/)
  }
})

test('the client trusts the certificate authorities in ca-file, AWS_CA_BUNDLE or SSL_CERT_FILE, and with skip-verify any certificate', async (t) => {
  const store = await tlsStore(t)
  const { ca, clientCert } = store.certificates
  await use(`${store.url()}&skipVerify=yes`)
  await use(`${store.url()}&caFile=${encodeURIComponent(ca)}`)
  process.env.SSL_CERT_FILE = ca
  await use(store.url())
  process.env.AWS_CA_BUNDLE = clientCert
  check(
    await failure(t, store.url()),
    'ACCESS_DENIED',
    /certificate of 127\.0\.0\.1:\d+ is "server", signed by "test authority", valid until/,
    new RegExp(`file of AWS_CA_BUNDLE=${clientCert}`),
  )
  process.env.AWS_CA_BUNDLE = ca
  await use(store.url())
  delete process.env.AWS_CA_BUNDLE
  delete process.env.SSL_CERT_FILE
  check(
    await failure(t, store.url()),
    'ACCESS_DENIED',
    /is "server", signed by "test authority"/,
    /`ca-file`.*AWS_CA_BUNDLE/,
  )
  const other = store.url().replace('127.0.0.1', 'localtest.invalid')
  check(await failure(t, other), 'UNAVAILABLE', /localtest/, /host/)
})

test('the error for an unusable certificate authority file names the file', async (t) => {
  const store = await tlsStore(t)
  const empty = `${temporaryDirectory(t)}/empty.pem`
  writeFileSync(empty, 'nothing')
  const damaged = `${temporaryDirectory(t)}/damaged.pem`
  writeFileSync(damaged, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  for (const [bundle, why] of [
    ['/nonexistent/ca.pem', /cannot be read/],
    [empty, /contains no certificate/],
    [damaged, /contains a damaged certificate/],
  ] as const) {
    process.env.AWS_CA_BUNDLE = bundle
    await assert.rejects(openReplicaClient(store.url()), (error: LitestreamError) => {
      check(error, 'CONFIG_INVALID', new RegExp(`AWS_CA_BUNDLE: ${bundle}`), /AWS_CA_BUNDLE/)
      assert.match(error.message, why)
      return true
    })
  }
})

test('a GET whose body is not needed uses the proxy and the certificate authorities, and follows redirections', async (t) => {
  const certificates = makeCertificates(temporaryDirectory(t))
  const key = readFileSync(certificates.serverKey)
  const cert = readFileSync(certificates.serverCert)
  const server = createServer({ key, cert }, (request, response) => {
    if (request.url === '/ping') response.writeHead(302, { location: '/there' }).end()
    else response.writeHead(request.url === '/there' ? 200 : 404).end('x'.repeat(100_000))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  cleanUp(t, () => server.close())
  const { port } = server.address() as { port: number }
  const url = (path: string) => new URL(`https://127.0.0.1:${port}${path}`)
  const proxy = await proxyDaemon(t)
  const signal = new AbortController().signal
  await assert.rejects(statusOf(url('/ping'), signal), (error: LitestreamError) => {
    check(error, 'ACCESS_DENIED', /signed by "test authority"/, /SSL_CERT_FILE/)
    return true
  })
  process.env.SSL_CERT_FILE = certificates.ca
  assert.equal((await statusOf(url('/ping'), signal)).status, 200)
  process.env.HTTPS_PROXY = proxy.host
  assert.equal((await statusOf(url('/elsewhere'), signal)).status, 404)
  assert.deepEqual(proxy.requests(), [`CONNECT 127.0.0.1:${port} HTTP/1.1`])
})
