import assert from 'node:assert/strict'
import { request } from 'node:http'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import { Registry } from 'prom-client'
import type { StatusSource } from '../../src/status/document.js'
import { hostOf, isOwnHost } from '../../src/status/host-check.js'
import { HttpServer } from '../../src/status/http-server.js'

test('the host is read from a Host header without the port, the brackets and the final dot', () => {
  assert.deepEqual(['a.example:80', 'A.Example.', '[::1]:9090', '[::1]', '127.0.0.1', 'localhost:1'].map(hostOf), [
    'a.example',
    'a.example',
    '::1',
    '::1',
    '127.0.0.1',
    'localhost',
  ])
  for (const header of [
    undefined,
    '',
    ':80',
    'a b',
    'user@localhost',
    'localhost/x',
    '[::1',
    'a:b:c',
    'localhost:999999',
  ])
    assert.equal(hostOf(header), undefined, header)
})

test('the HTTP server accepts only this server’s names and addresses in a Host header', () => {
  const own = (host: string, configured = '', local = '127.0.0.1') => isOwnHost(host, configured, local)
  for (const host of [
    'localhost',
    'LOCALHOST:9090',
    'x.localhost',
    '127.0.0.1',
    '127.9.9.9:1',
    '[::1]:9090',
    hostname(),
  ])
    assert.ok(own(host), host)
  for (const host of [
    'attacker.example',
    '127.0.0.1.attacker.example',
    'localhost.attacker.example',
    '10.0.0.5',
    '0.0.0.0',
  ])
    assert.ok(!own(host), host)
  assert.ok(own('db1.internal:9090', 'db1.internal'))
  assert.ok(own('10.0.0.5:9090', '0.0.0.0', '10.0.0.5'))
  assert.ok(own('10.0.0.5', '::', '::ffff:10.0.0.5'))
  assert.ok(!own('10.0.0.6', '0.0.0.0', '10.0.0.5'))
})

async function server(t: TestContext) {
  const registry = new Registry()
  const source: StatusSource = {
    metricsType: registry.contentType,
    metrics: async () => 'secret_metric 1\n',
    health: () => ({
      status: 'ok',
      databases: [{ path: '/secret.db', ok: true, state: 'replicating', lag_seconds: 0 }],
    }),
    status: async () => ({ version: '', startedAt: 0, now: 0, health: 'ok', databases: [], replicas: [], parts: [] }),
    onError: (_, error) => assert.fail(error),
  }
  const http = await HttpServer.listen(source, '127.0.0.1:0')
  t.after(() => http.close())
  const { port } = new URL(http.address)
  return (route: string, host: string, method = 'GET') =>
    new Promise<{ status: number; allow: string | undefined; text: string }>((resolve, reject) => {
      const headers = { Host: host }
      const outgoing = request({ port, host: '127.0.0.1', path: route, method, headers }, async (response) => {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        resolve({ status: response.statusCode!, allow: response.headers.allow, text })
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
}

test('a request with a foreign Host header gets no page and no metrics, but still gets the verdict of /healthz', async (t) => {
  const get = await server(t)
  for (const route of ['/', '/status.json', '/metrics', '/healthz']) {
    assert.equal((await get(route, 'localhost')).status, 200, route)
    const other = await get(route, 'attacker.example')
    assert.equal(other.status, route === '/healthz' ? 200 : 403, route)
    assert.doesNotMatch(other.text, /secret/, route)
  }
  assert.match((await get('/healthz', '127.0.0.1')).text, /secret\.db/)
})

test('the HTTP server refuses every method that changes something, and every unknown path', async (t) => {
  const get = await server(t)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const { status, allow } = await get('/metrics', 'localhost', method)
    assert.deepEqual([status, allow], [405, 'GET, HEAD'], method)
  }
  assert.deepEqual(await get('/healthz', 'localhost', 'HEAD'), { status: 200, allow: undefined, text: '' })
  for (const [route, status] of [
    ['/nothing', 404],
    ['//metrics', 404],
    ['http://other/metrics', 400],
  ] as const)
    assert.equal((await get(route, 'localhost')).status, status, route)
})
