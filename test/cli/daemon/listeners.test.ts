import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { freePort } from '../../support/servers/free-port.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { fixture, rowsOf, startDaemonWith } from './daemon-of-two.js'

// A listener that cannot be opened does not affect replication, is reported, and is opened when
// possible.

test('if the control socket cannot be created, the daemon reports a fault and continues to replicate', async (t) => {
  const { dir, replica, config } = fixture(t)
  const blocked = path.join(dir, 'blocked.sock')
  const folder = path.join(dir, 'folder')
  for (const [socket, message] of [
    [path.join(dir, `${'x'.repeat(110)}.sock`), /socket path has \d+ bytes; the limit is 107 bytes/],
    [blocked, /the socket path is not a socket/],
    [path.join(folder, 'control.sock'), /cannot listen on .*folder/],
  ] as const) {
    writeFileSync(blocked, 'precious')
    rmSync(path.join(dir, 'replica'), { recursive: true, force: true })
    const name = config([], `addr: 127.0.0.1:0\nsocket: { enabled: true, path: "${socket}" }`)
    const daemon = startDaemonWith(t, name)
    await until('it replicates', async () => (await rowsOf(t, replica)) === 1)
    const { status, body } = await daemon.health()
    const [part] = body.parts!
    assert.deepEqual(
      [status, body.status, part!.part, part!.name, part!.ok],
      [200, 'degraded', 'control socket', socket, true],
    )
    assert.match(part!.error, message)
    assert.match((await daemon.status()).parts[0]!.message, message)
    assert.match(daemon.stderr(), /level=ERROR msg="control socket failed".* retry=/)
    const shown = await run(['status', '-config', name])
    assert.match(shown.stdout, /\ncontrol socket: /)
    const check = await run(['config', 'check', '-config', name])
    assert.match(check.stderr, /socket/)
    assert.equal(check.status, socket === path.join(folder, 'control.sock') ? 0 : 1, check.stderr)
    if (socket === blocked) rmSync(blocked)
    if (socket.startsWith(folder)) mkdirSync(folder)
    if (socket.length < 107) {
      await until('it listens', () => daemon.stderr().includes('control socket recovered'), 60_000)
      assert.equal((await run(['info', '-socket', socket])).status, 0)
    }
    assert.equal(await daemon.stop(), 0, daemon.stderr())
  }
})

test('a second daemon does not replace the control socket of a running daemon, and creates its own socket after the first daemon ends', async (t) => {
  const first = fixture(t)
  const second = fixture(t)
  const socket = path.join(first.dir, 'control.sock')
  const more = `socket: { enabled: true, path: ${socket} }`
  const one = startDaemonWith(t, first.config([], more))
  await until('the first listens', () => one.stderr().includes('control socket listening'))
  const two = startDaemonWith(t, second.config([], more))
  await until('the second cannot', () => /another process listens on/.test(two.stderr()))
  await until('it replicates', async () => (await rowsOf(t, second.replica)) === 1)
  const pid = async () => JSON.parse((await run(['info', '-json', '-socket', socket])).stdout).pid
  assert.equal(await pid(), one.child.pid)
  assert.match(
    (await run(['config', 'check', '-config', second.config([], more)])).stderr,
    /Warning: another process listens/,
  )
  // Its end does not take the socket of the first away either.
  const three = startDaemonWith(t, second.config([], more))
  await until('the third cannot', () => /another process listens on/.test(three.stderr()))
  await three.stop()
  assert.equal(await pid(), one.child.pid)
  assert.equal(await one.stop(), 0, one.stderr())
  await until('the second listens', async () => existsSync(socket) && (await pid()) === two.child.pid, 90_000)
  assert.equal(await two.stop(), 0, two.stderr())
})

test('if the socket file is removed, the daemon creates its control socket again', async (t) => {
  const { dir, config } = fixture(t)
  const socket = path.join(dir, 'control.sock')
  const daemon = startDaemonWith(t, config([], `socket: { enabled: true, path: ${socket} }`))
  await until('it listens', () => daemon.stderr().includes('control socket listening'))
  rmSync(socket)
  await until('it listens again', async () => (await run(['info', '-socket', socket])).status === 0, 60_000)
  assert.match(daemon.stderr(), /was removed or replaced/)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('if a listen address is in use, the daemon reports a fault and replicates, and listens as soon as the address is free', async (t) => {
  const { dir, replica, config } = fixture(t)
  const other = createServer((_, response) => response.end('other'))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.after(() => other.close())
  const { port } = other.address() as AddressInfo
  const socket = path.join(dir, 'control.sock')
  const name = config([], `addr: 127.0.0.1:${port}\nsocket: { enabled: true, path: ${socket} }`)
  const check = await run(['config', 'check', '-config', name])
  assert.deepEqual([check.status, /Warning: addr: cannot listen on .*EADDRINUSE/.test(check.stderr)], [0, true])
  const daemon = startDaemonWith(t, name)
  await until('it replicates', async () => (await rowsOf(t, replica)) === 1)
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  const shown = await run(['status', '-config', name])
  assert.match(shown.stdout, new RegExp(`\\nhttp 127\\.0\\.0\\.1:${port}: cannot listen on .*EADDRINUSE`))
  assert.equal(shown.status, 0, 'the database is replicated')
  await new Promise<void>((resolve) => {
    other.close(() => resolve())
    other.closeAllConnections()
  })
  await until('it serves', async () => (await daemon.health()).status === 200, 90_000)
  assert.equal((await daemon.health()).body.parts, undefined)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('a listen address without a host accepts connections only from this machine', async (t) => {
  const { config } = fixture(t)
  const port = await freePort()
  const name = config([], `addr: ":${port}"`)
  const daemon = startDaemonWith(t, name)
  assert.equal(await daemon.http(), `http://127.0.0.1:${port}`)
  assert.match(
    (await run(['config', 'check', '-config', name])).stderr,
    /Warning: addr :\d+ listens on 127\.0\.0\.1 only/,
  )
  // Another address of loopback stands for any other interface.
  const refused = await new Promise<string | undefined>((resolve) => {
    const client = connect(port, '127.0.0.2')
    client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    client.on('connect', () => resolve(undefined))
  })
  assert.equal(refused, 'ECONNREFUSED')
  assert.equal(await daemon.stop(), 0)
})

test('an HTTP client that sends nothing, half a request or too many bytes does not block other clients', async (t) => {
  const { dir, config } = fixture(t)
  const socket = path.join(dir, 'control.sock')
  const daemon = startDaemonWith(t, config([], `addr: 127.0.0.1:0\nsocket: { enabled: true, path: ${socket} }`))
  const { port } = new URL(await daemon.http())
  await until('it listens for control', () => daemon.stderr().includes('control socket listening'))
  const ended = (to: { path: string } | { port: number; host: string }, text: string) =>
    new Promise<string>((resolve) => {
      let answer = ''
      const client = connect(to as { path: string })
      client.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk
      })
      client.on('close', () => resolve(answer)).on('error', () => {})
      client.write(text)
    })
  const http = { port: Number(port), host: '127.0.0.1' }
  const half = (route: string) => `POST ${route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{`
  const answers = await Promise.all([
    ended(http, 'GET /metr'),
    ended(http, half('/metrics')),
    ended({ path: socket }, 'GET /li'),
    ended({ path: socket }, half('/sync')),
  ])
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 12)),
    // A method that no route takes needs no body to be refused.
    ['HTTP/1.1 408', 'HTTP/1.1 405', 'HTTP/1.1 408', 'HTTP/1.1 408'],
  )
  assert.equal((await daemon.health()).status, 200)
  assert.equal(await daemon.stop(), 0)
})

test('many idle HTTP connections do not block a new request', async (t) => {
  const { config } = fixture(t)
  const daemon = startDaemonWith(t, config([], 'addr: 127.0.0.1:0'))
  const { port } = new URL(await daemon.http())
  const clients = Array.from({ length: 300 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  t.after(() => {
    for (const client of clients) client.destroy()
  })
  await until(
    'it answers',
    async () => {
      try {
        return (await daemon.health()).status === 200
      } catch {
        return false // refused for the moment
      }
    },
    60_000,
  )
  assert.equal(await daemon.stop(), 0)
})
