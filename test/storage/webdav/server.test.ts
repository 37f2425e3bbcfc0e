import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { isLitestreamError, LitestreamError } from '../../../src/errors.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { parseReplicaUrl } from '../../../src/storage/url.js'
import type { WebdavLocation } from '../../../src/storage/webdav/location.js'
import { WebdavReplicaClient } from '../../../src/storage/webdav/webdav-client.js'
import { file, inPieces, sha256, testBytes } from '../../conformance/replica-client/bytes.js'
import { runScript } from '../../support/child.js'
import { cleanUp } from '../../support/clean-up.js'
import { collect } from '../../support/collect.js'
import { startFaultProxy } from '../../support/fault-proxy.js'
import { checkLegacyObjects } from '../../support/legacy-tree.js'
import { startApache } from '../../support/servers/apache.js'
import { roundTrip } from '../../support/store-round-trip.js'
import { webdavUrl } from '../../support/webdav.js'

const MiB = 1024 * 1024
const server = await startApache()
after(() => server.stop())
let folders = 0
const newFolder = () => `replica${folders++}`

async function opened(t: TestContext, url: string, policy: Parameters<typeof WebdavReplicaClient.open>[3] = {}) {
  const client = await WebdavReplicaClient.open(parseReplicaUrl(url) as WebdavLocation, {}, undefined, policy)
  cleanUp(t, () => client.close())
  return client
}

async function failure(opening: Promise<unknown>): Promise<LitestreamError> {
  try {
    await opening
  } catch (error) {
    assert.ok(error instanceof LitestreamError, String(error))
    return error
  }
  throw new Error('it did not fail')
}

/** A server of ours for what Apache does not do. */
async function strange(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const other = createServer((request, response) => {
    request.resume()
    request.once('end', () => answer(request, response))
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  cleanUp(t, () => {
    other.closeAllConnections()
    other.close()
  })
  return `webdav://127.0.0.1:${(other.address() as AddressInfo).port}/replica`
}

/**
 * Files of a level on the disk of the server, without the folder in which Apache keeps properties.
 */
const filesOf = (folder: string) =>
  readdirSync(path.join(server.data, folder, 'ltx/0')).filter((name) => !name.startsWith('.'))

for (const location of ['basic', 'digest'] as const) {
  test(`a database is replicated to WebDAV, read through the VFS and restored with a ${location} login`, async (t) => {
    await roundTrip(t, webdavUrl(server, newFolder(), location))
  })

  test(`with a ${location} login, the error for a wrong password is ACCESS_DENIED and does not contain the password`, async () => {
    const password = 'wrong-password-4711'
    const error = await failure(openReplicaClient(webdavUrl({ ...server, password }, newFolder(), location)))
    assert.equal(error.code, 'ACCESS_DENIED')
    assert.match(error.hint, /webdav-password/)
    assert.ok(!JSON.stringify([error.message, error.hint, error.stack]).includes(password))
    const none = await failure(openReplicaClient(webdavUrl(server, 'x').replace('/dav/', `/${location}/`)))
    assert.equal(none.code, 'ACCESS_DENIED')
  })
}

test('the WebDAV client sends credentials only to a server that requests them', async (t) => {
  const seen: (string | undefined)[] = []
  const url = await strange(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(request.method === 'OPTIONS' ? 200 : 404, { dav: '1' }).end()
  })
  await opened(t, url.replace('://', '://me:secret-of-mine@'))
  assert.deepEqual(seen, [undefined, undefined])
})

test('a redirection to another host is not followed, and the error names the other host, but does not contain the query of the URL', async (t) => {
  let asked = 0
  const elsewhere = await strange(t, (_, response) => {
    asked++
    response.writeHead(200, { dav: '1,2' }).end()
  })
  const target = elsewhere.replace('webdav:', 'http:')
  const url = await strange(t, (_, response) => response.writeHead(307, { location: `${target}?token=abc` }).end())
  const error = await failure(opened(t, url.replace('://', '://me:secret-of-mine@')))
  assert.match(error.hint, /redirects requests to http:\/\/127\.0\.0\.1/)
  assert.ok(!error.hint.includes('token'))
  assert.equal(asked, 0)
})

test('the response of a gateway whose server is down is not taken for an empty replica', async (t) => {
  const plain = await strange(t, (_, response) =>
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html>'),
  )
  assert.equal((await failure(opened(t, plain, { attempts: 1 }))).code, 'UNAVAILABLE')
  let down = false
  const later = await strange(t, (request, response) => {
    if (request.method === 'OPTIONS' && !down) response.writeHead(200, { dav: '1' }).end()
    else response.writeHead(down ? 503 : 404).end()
  })
  const client = await opened(t, later, { attempts: 1 })
  assert.deepEqual(await collect(client.list(0)), [])
  down = true
  assert.equal((await failure(collect(client.list(0)))).code, 'UNAVAILABLE')
})

test('an invalid, hostile or truncated WebDAV listing is an error', async (t) => {
  let body = ''
  const url = await strange(t, (request, response) => {
    if (request.method === 'OPTIONS') response.writeHead(200, { dav: '1' }).end()
    else response.writeHead(207, { 'content-type': 'application/xml' }).end(body)
  })
  const client = await opened(t, url, { attempts: 1 })
  body = '<!DOCTYPE a [<!ENTITY b "c">]><multistatus xmlns="DAV:"/>'
  assert.match((await failure(collect(client.list(0)))).message, /document type/)
  body = '<html><body>Log in</body></html>'
  assert.equal((await failure(collect(client.list(0)))).code, 'STORAGE_FAILED')
  body = '<multistatus xmlns="DAV:"><response>'
  assert.equal((await failure(collect(client.list(0)))).code, 'UNAVAILABLE')
  const name = '0000000000000001-0000000000000001.ltx'
  const entry = (props: string) =>
    `<response><href>/x/${name}</href><propstat><prop><resourcetype/>${props}</prop><status>HTTP/1.1 200 OK</status></propstat></response>`
  body = `<multistatus xmlns="DAV:">${entry('<getcontentlength>5</getcontentlength>')}</multistatus>`
  assert.match((await failure(collect(client.list(0)))).message, /no valid time/)
})

test('if the WebDAV server is killed during a write, the write continues when the server is back, and leaves no other file', async (t) => {
  const own = await startApache()
  cleanUp(t, own.stop)
  const client = await opened(t, webdavUrl(own, 'app'))
  await client.write(file(1), testBytes(10), { timestamp: 1000, createOnly: true })
  const bytes = testBytes(6 * MiB)
  await own.kill()
  const writing = client.write(file(2), inPieces(bytes, 100_000), { timestamp: 1000, createOnly: true })
  await own.start()
  assert.equal((await writing).size, bytes.byteLength)
  const level = path.join(own.data, 'app/ltx/0')
  const names = readdirSync(level).filter((name) => !name.startsWith('.'))
  assert.equal(names.length, 2)
  assert.equal(sha256(readFileSync(path.join(level, names[1]!))), sha256(bytes))
})

test('after an interrupted connection, an upload is sent again, a download is continued, and a check replaces a lost response', async (t) => {
  const proxy = await startFaultProxy({ target: server.origin })
  cleanUp(t, proxy.close)
  const folder = newFolder()
  const url = webdavUrl({ ...server, port: Number(new URL(proxy.url).port) }, folder)
  const client = await opened(t, url)
  await client.write(file(1), testBytes(10), { timestamp: 1000, createOnly: true })
  const bytes = testBytes(2 * MiB)
  const method = (name: string) => ({ match: (request: { readonly method: string }) => request.method === name })
  const cutUpload = proxy.fault({ type: 'cutUpload', bytes: MiB }, method('PUT'))
  const lostMove = proxy.fault({ type: 'loseReply' }, method('MOVE'))
  await client.write(file(2), bytes, { timestamp: 1000, createOnly: true })
  assert.deepEqual([cutUpload.hits, lostMove.hits], [1, 1])
  const cut = proxy.fault({ type: 'cut', bytes: MiB }, method('GET'))
  assert.equal(sha256(Buffer.concat(await collect(client.stream(file(2))))), sha256(bytes))
  assert.equal(cut.hits, 1)
  assert.equal(filesOf(folder).length, 2)
  const silent = await opened(t, url, { attempts: 1, firstByteTimeout: 3000 })
  proxy.fault({ type: 'blackhole' }, method('GET'))
  assert.equal((await failure(silent.read(file(1), { offset: 0, length: 1 }))).code, 'TIMEOUT')
})

test('if a file is replaced during an interrupted WebDAV download, the client detects the replacement', async (t) => {
  const proxy = await startFaultProxy({ target: server.origin })
  cleanUp(t, proxy.close)
  const folder = newFolder()
  const client = await opened(t, webdavUrl({ ...server, port: Number(new URL(proxy.url).port) }, folder))
  await client.write(file(1), testBytes(2 * MiB), { timestamp: 1000 })
  proxy.fault({ type: 'cut', bytes: MiB }, { match: ({ method }) => method === 'GET' })
  const target = path.join(server.data, folder, 'ltx/0', filesOf(folder)[0]!)
  const error = await failure(
    (async () => {
      let replaced = false
      for await (const _ of client.stream(file(1))) {
        if (replaced) continue
        replaced = true
        rmSync(target)
        writeFileSync(target, testBytes(2 * MiB, 2))
      }
    })(),
  )
  assert.equal(error.code, 'NOT_FOUND')
})

test('the WebDAV client lists and reads the files of a Litestream 0.3 replica', async (t) => {
  const folder = newFolder()
  const client = await opened(t, webdavUrl(server, folder))
  assert.deepEqual(await collect(client.legacy.list('generations/')), [])
  await checkLegacyObjects(client, path.join(server.data, folder))
})

test('if a writer is killed during a WebDAV upload, no file with an LTX file name remains', async (t) => {
  const folder = newFolder()
  const child = runScript(
    t,
    `const { openReplicaClient } = await import(src + '/storage/open.js')
    const client = await openReplicaClient(${JSON.stringify(webdavUrl(server, folder))})
    let sent = 0
    const { ClientRequest } = await import('node:http')
    const before = ClientRequest.prototype.write
    ClientRequest.prototype.write = function (chunk, ...rest) {
      sent += chunk.length
      if (sent > 1_500_000) process.kill(process.pid, 'SIGKILL')
      return before.call(this, chunk, ...rest)
    }
    async function* body() { for (let i = 0; i < 80; i++) yield new Uint8Array(100_000) }
    await client.write({ level: 0, minTxid: 1, maxTxid: 1 }, body(), { timestamp: 1, createOnly: true })`,
  )
  assert.equal(await child.ended, 'SIGKILL', child.errors())
  const client = await opened(t, webdavUrl(server, folder))
  assert.deepEqual(await collect(client.list(0)), [])
  assert.ok(filesOf(folder).every((name) => !name.endsWith('.ltx')))
  await client.write(file(1), testBytes(10), { timestamp: 1, createOnly: true })
  assert.equal((await collect(client.list(0))).length, 1)
})

test('on a server without locks, or with locks that are not exclusive, a create-only write refuses an existing name', async (t) => {
  for (const [dav, grants] of [
    ['1', false],
    ['1,2', true],
  ] as const) {
    const files = new Map<string, Buffer>()
    let locks = 0
    const other = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray())
      const url = request.url!.replace(/\/$/, '')
      const done = (status: number, headers = {}) => response.writeHead(status, { dav, ...headers }).end()
      if (request.method === 'OPTIONS' || request.method === 'MKCOL')
        return done(request.method === 'MKCOL' ? 201 : 200)
      if (request.method === 'PROPFIND') return done(404)
      if (request.method === 'LOCK') return done(200, { 'lock-token': `<opaquelocktoken:${++locks}>` })
      if (request.method === 'UNLOCK' || request.method === 'DELETE') return done(204)
      if (request.method === 'PUT') files.set(url, body)
      if (request.method === 'MOVE') {
        // `Overwrite: F` is not heeded.
        files.set(new URL(request.headers.destination as string).pathname, files.get(url)!)
        files.delete(url)
      }
      if (request.method === 'HEAD') return done(files.has(url) ? 200 : 404)
      done(201)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    cleanUp(t, () => {
      other.closeAllConnections()
      other.close()
    })
    const client = await opened(t, `webdav://127.0.0.1:${(other.address() as AddressInfo).port}/r`)
    const write = () => client.write(file(1), testBytes(10), { timestamp: 1, createOnly: true })
    await write()
    assert.ok(isLitestreamError(await failure(write()), 'PRECONDITION_FAILED'))
    assert.equal(locks > 0, grants)
    const { reason, ...guarantees } = await client.guarantees!.ask()
    assert.deepEqual(guarantees, { createOnly: false, compareAndSet: false })
    assert.match(reason!, grants ? /grants the same exclusive lock twice/ : /has no locks/)
  }
})
