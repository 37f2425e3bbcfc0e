import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { startDaemon } from '../daemon/daemon-fixture.js'
import { run, start } from '../run.js'

interface Event {
  readonly time: string
  readonly event: string
  readonly path: string
  readonly [field: string]: unknown
}

test('monitor prints the syncs, uploads and states of a running process, and the /events route sends the same events over HTTP', async (t) => {
  const { db, file, socket, http, stop } = await startDaemon(t)
  const json = start(['monitor', '-json', '-socket', socket])
  const text = start(['monitor', '-socket', socket, file])
  const other = start(['monitor', '-socket', socket, `${file}-other`])
  for (const { child } of [json, text, other]) cleanUp(t, () => child.kill('SIGKILL'))
  const [response] = (await once(get(`${http}/events`), 'response')) as [IncomingMessage]
  response.on('error', () => {})
  let body = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    body += chunk
  })
  await until('every client follows', () => {
    db.exec("INSERT INTO t (v) VALUES ('c')")
    const all = [json.stdout(), text.stdout(), body]
    return all.every((seen) => /upload/.test(seen) && /sync/.test(seen))
  })
  await run(['stop', '-socket', socket, file])
  await until('the state is reported', () => json.stdout().includes('"state":"stopped"'))
  const events = json
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event)
  const upload = events.find(({ event }) => event === 'upload')!
  assert.equal(upload.path, file)
  assert.match(String(upload.txid), /^[0-9a-f]{16}$/)
  assert.ok(Number(upload.size) > 0)
  assert.ok(Number.isFinite(Date.parse(upload.time)))
  assert.deepEqual(
    events.filter(({ event }) => event === 'heartbeat'),
    [],
  )
  assert.match(text.stdout(), new RegExp(`^\\S+ upload +${file} txid=[0-9a-f]{16} size=`, 'm'))
  assert.match(response.headers['content-type']!, /ndjson/)

  json.child.kill('SIGTERM')
  assert.equal((await json.finished).status, 0)
  await stop()
  const ended = await other.finished
  assert.deepEqual([ended.status, ended.stdout], [1, ''])
  assert.match(ended.stderr, /ended the stream of events\nTry: /)
})

test('monitor reports an error if no process listens on the control socket', async (t) => {
  const socket = path.join(temporaryDirectory(t), 'none.sock')
  const none = await run(['monitor', '-socket', socket])
  assert.equal(none.status, 1)
  assert.match(none.stderr, /no litestream-ts process listens on .*\nTry: /)
})
