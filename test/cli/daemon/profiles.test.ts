import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { until } from '../../support/until.js'
import { startDaemon } from './daemon-fixture.js'

interface Answer {
  readonly status: number
  readonly text: string
}

async function answerOf(sent: ClientRequest): Promise<Answer> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode!, text }
}

test('the control socket returns a CPU profile or a heap snapshot, and refuses a second such request until the first request ends', async (t) => {
  const { socket, db, stop } = await startDaemon(t)
  const send = (route: string, method = 'POST') => request({ socketPath: socket, method, path: route }).end()
  const post = (route: string) => answerOf(send(route))

  const profile = await post('/debug/cpu-profile?seconds=0.2')
  assert.equal(profile.status, 200)
  assert.ok(Array.isArray(JSON.parse(profile.text).nodes))
  const heap = await post('/debug/heap-snapshot')
  assert.equal(heap.status, 200)
  assert.ok(JSON.parse(heap.text).snapshot.node_count > 1000)

  for (const seconds of ['0', '-1', '61', '1e1', 'x', '']) {
    const { status, text } = await post(`/debug/cpu-profile?seconds=${seconds}`)
    assert.equal(status, 400, seconds)
    assert.equal(JSON.parse(text).field, 'seconds')
  }
  assert.equal((await answerOf(send('/debug/cpu-profile', 'GET'))).status, 405)

  // A client that leaves ends its profile; until then, others are refused.
  const long = send('/debug/cpu-profile?seconds=60')
  long.on('error', () => {})
  await until('a second one is refused', async () => (await post('/debug/cpu-profile?seconds=0.001')).status === 409)
  db.exec("INSERT INTO t (v) VALUES ('c')")
  long.destroy()
  await until('the next one is taken', async () => (await post('/debug/cpu-profile?seconds=0.001')).status === 200)
  assert.equal(await stop(), 0)
})
