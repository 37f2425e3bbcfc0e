import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createBoundedServer, listen, requestUrl } from '../../src/status/bounded-server.js'
import { EventStreams } from '../../src/status/event-streams.js'
import { until } from '../support/until.js'

/** A server whose every path answers with the events. */
async function served(t: TestContext) {
  const streams = new EventStreams()
  const server = createBoundedServer(
    async (request, response) => {
      const path = requestUrl(request)?.searchParams.get('path') ?? undefined
      if (!streams.serve(request, response, path)) response.writeHead(503).end()
    },
    (error) => assert.fail(String(error)),
  )
  await listen(server, { host: '127.0.0.1', port: 0 }, (error) => assert.fail(String(error)))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const follow = async (query = '') => {
    const request = get({ host: '127.0.0.1', port, path: `/events${query}`, agent: false })
    request.on('error', () => {})
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    return response
  }
  return { streams, follow }
}

function linesOf(response: IncomingMessage): { readonly event: string; readonly path?: string }[] {
  const lines: { readonly event: string; readonly path?: string }[] = []
  let rest = ''
  response.setEncoding('utf8').on('data', (text: string) => {
    const parts = `${rest}${text}`.split('\n')
    rest = parts.pop()!
    for (const part of parts) lines.push(JSON.parse(part))
  })
  return lines
}

test('each client of /events receives a heartbeat and then the events that match its filter, without secrets', async (t) => {
  const { streams, follow } = await served(t)
  const all = linesOf(await follow())
  const one = linesOf(await follow('?path=/a.db'))
  streams.publish({ event: 'sync', path: '/a.db', txid: '0000000000000001' })
  streams.publish({ event: 'sync', path: '/b.db' })
  streams.publish({ event: 'error', part: 'http', error: 's3://key:verysecretpassword@bucket/x failed' })
  await until('all have arrived', () => all.length === 4 && one.length === 2)
  assert.deepEqual(
    all.map(({ event }) => event),
    ['heartbeat', 'sync', 'sync', 'error'],
  )
  assert.deepEqual(
    one.map(({ event, path }) => [event, path]),
    [
      ['heartbeat', undefined],
      ['sync', '/a.db'],
    ],
  )
  assert.ok(!JSON.stringify(all).includes('verysecretpassword'))
})

test('a client of /events that does not read is disconnected, and other clients still receive events', async (t) => {
  const { streams, follow } = await served(t)
  const slow = await follow()
  slow.pause()
  const lines = linesOf(await follow())
  const text = 'x'.repeat(64 * 1024)
  let sent = 0
  await until('the slow client is gone', () => {
    streams.publish({ event: 'notice', text })
    sent++
    return streams.clients === 1
  })
  await until('the other has everything', () => lines.length === sent + 1)
})

test('a client of /events that reads nothing between two heartbeats is disconnected', async (t) => {
  const { streams, follow } = await served(t)
  const slow = await follow()
  slow.pause()
  // More than the system's buffers take, less than the limit of unread bytes.
  const text = 'x'.repeat(64 * 1024)
  await until('bytes are unread after a heartbeat', () => {
    if (streams.clients === 0) return true
    streams.publish({ event: 'notice', text })
    streams.beat()
    return false
  })
  assert.equal(streams.clients, 0)
})

test('the number of clients of /events is limited, and a client that disconnects makes room for another client', async (t) => {
  const { streams, follow } = await served(t)
  const responses: IncomingMessage[] = []
  for (let i = 0; i < 32; i++) responses.push(await follow())
  assert.equal((await follow()).statusCode, 503)
  responses[0]!.destroy()
  await until('it has left', () => streams.clients === 31)
  assert.equal((await follow()).statusCode, 200)
})
