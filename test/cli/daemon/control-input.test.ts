import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { collect } from '../../support/collect.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { createDatabase, fixture, startDaemonWith } from './daemon-of-two.js'

interface Answer {
  readonly status: number
  readonly allow: string | undefined
  readonly body: { error?: string; details?: string; field?: string; value?: unknown; databases?: unknown[] }
}

function call(socket: string, method: string, route: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: socket, method, path: route }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve({ status: response.statusCode!, allow: response.headers.allow, body: text ? JSON.parse(text) : {} })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

test('the response to an invalid control request has a 4xx status and names the field and the value, and the request changes nothing', async (t) => {
  const { dir, good, config } = fixture(t)
  const socket = path.join(dir, 'control.sock')
  const daemon = startDaemonWith(t, config([], `addr: 127.0.0.1:0\nsocket: { enabled: true, path: ${socket} }`))
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  const url = `file://${dir}/other`
  const post = (route: string, body: unknown) => call(socket, 'POST', route, JSON.stringify(body))

  const paths: [unknown, RegExp][] = [
    [undefined, /^path required$/],
    ['', /^path required$/],
    [7, /^path must be text$/],
    [null, /^path must be text$/],
    [['/a.db'], /^path must be text$/],
    [`${dir}/x\0y.db`, /^path must not hold a NUL byte$/],
    [`${dir}/${'x'.repeat(300)}.db`, /^path must not contain a name of more than 255 bytes$/],
    [`${dir}/${'é'.repeat(130)}.db`, /^path must not contain a name of more than 255 bytes$/],
    [`/${'abc/'.repeat(1200)}x.db`, /^path must have at most 4095 bytes$/],
  ]
  for (const [value, message] of paths) {
    for (const route of ['/register', '/start', '/stop', '/sync', '/unregister']) {
      const { status, body } = await post(route, { path: value, replica_url: url })
      assert.deepEqual([status, body.field], [400, 'path'], `${route} ${String(value).slice(0, 50)}`)
      assert.match(body.error!, message)
    }
  }

  const seconds = [-1, '30', 2 ** 31 / 1000 + 1, 1e300, null, true]
  for (const value of seconds) {
    for (const route of ['/stop', '/sync', '/unregister', '/start']) {
      const { status, body } = await post(route, { path: good, timeout: value })
      assert.deepEqual([status, body.field, body.value], [400, 'timeout', value], route)
      assert.match(body.error!, /^timeout must be a number of seconds from 0 to 2147483$/)
    }
  }
  assert.deepEqual((await post('/sync', { path: good, wait: 'yes' })).body.field, 'wait')
  // JSON has no NaN and no Infinity.
  assert.equal((await call(socket, 'POST', '/sync', `{"path":"${good}","timeout":NaN}`)).status, 400)

  const urls: [unknown, RegExp][] = [
    [undefined, /^replica_url required$/],
    ['', /^replica_url required$/],
    [{}, /must be text/],
    ['floppy://a', /is not a scheme/],
    ['file://', /is not the absolute path/],
    ['s3://', /replica_url is not valid/],
    [`file:///x\0y`, /NUL/],
    [`file:///${'x'.repeat(9000)}`, /at most 8192 characters/],
  ]
  for (const [value, message] of urls) {
    const { status, body } = await post('/register', { path: `${dir}/other.db`, replica_url: value })
    assert.deepEqual([status, body.field], [400, 'replica_url'], String(value).slice(0, 50))
    assert.match(body.error!, message)
  }
  const secret = await post('/register', { path: `${dir}/other.db`, replica_url: 'floppy://user:hushhush@host/x' })
  assert.ok(!JSON.stringify(secret.body).includes('hushhush'), JSON.stringify(secret.body))

  for (const [text, status] of [
    ['[]', 400],
    ['"text"', 400],
    ['null', 400],
    ['{', 400],
    [`{"path":"${'x'.repeat(70_000)}"}`, 413],
    [`{"path":"${'x'.repeat(5_000_000)}"}`, 413],
    ['['.repeat(200_000), 413],
  ] as const) {
    const answer = await call(socket, 'POST', '/register', text)
    assert.deepEqual([answer.status, answer.body.field], [status, 'body'], text.slice(0, 20))
  }
  // The response does not wait for a body of this length.
  const claimed = connect(socket)
  claimed.write('POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000\r\n\r\n{')
  assert.match(Buffer.concat(await collect(claimed)).toString(), /^HTTP\/1.1 413 .*"field":"body"/s)
  for (const [method, route, allow] of [
    ['GET', '/register', 'POST'],
    ['DELETE', '/stop', 'POST'],
    ['POST', '/list', 'GET'],
    ['PUT', '/info', 'GET'],
    ['HEAD', '/sync', 'POST'],
  ] as const) {
    const answer = await call(socket, method, route)
    assert.deepEqual([answer.status, answer.allow], [405, allow], `${method} ${route}`)
  }
  for (const route of ['/', '/nothing', '/constructor', '//', '/debug'])
    assert.equal((await call(socket, 'GET', route)).status, 404, route)
  for (const query of ['', '?path=', '?path=%00', `?path=${'x'.repeat(300)}`])
    assert.equal((await call(socket, 'GET', `/txid${query}`)).status, 400, query)

  assert.equal((await call(socket, 'GET', '/list')).body.databases!.length, 1)
  for (const route of ['/healthz', '/status.json', '/metrics'])
    assert.equal((await fetch(`${await daemon.http()}${route}`)).status, 200, route)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('register refuses and does not store a path that is not a database, overlaps with another path or cannot be opened', async (t) => {
  const { dir, good, config } = fixture(t)
  const socket = path.join(dir, 'control.sock')
  const daemon = startDaemonWith(t, config([], `addr: 127.0.0.1:0\nsocket: { enabled: true, path: ${socket} }`))
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  symlinkSync('loop.db', path.join(dir, 'loop.db'))
  symlinkSync(good, path.join(dir, 'link.db'))
  mkdirSync(path.join(dir, 'folder.db'))
  writeFileSync(path.join(dir, 'plain'), '')
  createDatabase(path.join(dir, 'new.db'))
  const register = async (file: string, url: string) => {
    const body = JSON.stringify({ path: path.join(dir, file), replica_url: url })
    return call(socket, 'POST', '/register', body)
  }
  const url = `file://${dir}/other`
  for (const [file, to, status, message] of [
    ['loop.db', url, 400, /ELOOP/],
    ['folder.db', url, 400, /is not a regular file/],
    ['plain/x.db', url, 400, /ENOTDIR/],
    ['link.db', url, 400, /overlap/],
    ['good/good.db-wal', url, 400, /-wal file of the database/],
    ['new.db', `file://${dir}/replica`, 400, /the replica of/],
    ['new.db', `file://${dir}/replica/below`, 400, /the replica of/],
    ['new.db', `file://${dir}/new.db`, 400, /are the same path/],
    ['new.db', `file://${dir}/plain`, 500, /plain/],
  ] as const) {
    const answer = await register(file, to)
    assert.equal(answer.status, status, `${file} ${JSON.stringify(answer.body)}`)
    assert.match(answer.body.error!, message)
  }
  assert.equal((await call(socket, 'GET', '/list')).body.databases!.length, 1)
  assert.doesNotMatch(await (await fetch(`${await daemon.http()}/metrics`)).text(), /new\.db|loop\.db|folder\.db/)
  assert.equal((await register('new.db', url)).status, 200)
  assert.equal((await call(socket, 'GET', '/list')).body.databases!.length, 2)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('the control commands refuse a timeout outside the range that timers support', async (t) => {
  const { dir, good, config } = fixture(t)
  const socket = path.join(dir, 'control.sock')
  const daemon = startDaemonWith(t, config([], `socket: { enabled: true, path: ${socket} }`))
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  const { status, stderr } = await run(['sync', '-socket', socket, '-timeout', '9999999999', good])
  assert.equal(status, 1)
  assert.match(stderr, /timeout.*seconds/i)
  assert.equal((await run(['sync', '-wait', '-socket', socket, '-timeout', '2000000', good])).status, 0)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})
