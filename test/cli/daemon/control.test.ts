import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { version } from '../../../src/version.js'
import { cleanUp } from '../../support/clean-up.js'
import { until } from '../../support/until.js'
import { run, start } from '../run.js'
import { startDaemon } from './daemon-fixture.js'

test('the control commands control a running process over its control socket', async (t) => {
  const { dir, file, db, socket, daemon, stop } = await startDaemon(t)
  assert.equal(statSync(socket).mode & 0o777, 0o600)
  const ask = async (...args: string[]) => {
    const { status, stdout, stderr } = await run([...args.slice(0, 1), '-socket', socket, '-json', ...args.slice(1)])
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout)
  }
  const info = await ask('info')
  assert.deepEqual(Object.keys(info), ['version', 'pid', 'uptime_seconds', 'started_at', 'database_count'])
  assert.deepEqual([info.version, info.pid, info.database_count], [version, daemon.child.pid, 1])

  const { databases } = await ask('list')
  assert.deepEqual([databases[0].path, databases[0].status], [file, 'replicating'])
  assert.match(
    (await run(['list', '-socket', socket])).stdout,
    /app\.db \[replicating\] \(last sync: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)/,
  )

  db.exec("INSERT INTO t (v) VALUES ('c')")
  const synced = await ask('sync', '-wait', file)
  assert.deepEqual([synced.db_path, synced.txid, synced.replica_txid], [file, 2, 2])
  const again = await ask('sync', '-wait', file)
  assert.equal(again.status, 'no_change')

  const stopped = await ask('stop', file)
  assert.deepEqual(stopped, { status: 'stopped', db_path: file, state: 'stopped', txid: 2, socket })
  assert.equal((await ask('stop', file)).status, 'already_stopped')
  const closed = await run(['sync', '-socket', socket, file])
  assert.deepEqual(
    [closed.status, closed.stderr],
    [1, `Error: database is not open: ${file}\nTry: Run \`litestream-ts start ${file}\`.\n`],
  )
  assert.equal((await ask('start', file)).status, 'started')
  assert.equal((await ask('start', file)).status, 'already_running')

  const other = path.join(dir, 'other.db')
  new Database(other).exec('CREATE TABLE t (v)').close()
  const registered = await ask('register', '-replica', `file://${dir}/other`, other)
  assert.deepEqual(registered, { status: 'registered', db_path: other, replica: `file://${dir}/other`, socket })
  assert.equal((await ask('register', '-replica', `file://${dir}/other`, other)).status, 'already_registered')
  assert.equal((await ask('sync', '-wait', other)).replica_txid, 1)
  assert.equal((await ask('unregister', '-dry-run', other)).status, 'would_unregister')
  const gone = await ask('unregister', other)
  assert.deepEqual([gone.status, gone.final_txid], ['unregistered', 1])
  assert.deepEqual(await ask('unregister', other), {
    status: 'already_unregistered',
    db_path: other,
    final_txid: 0,
    socket,
  })
  assert.equal(await stop(), 0, daemon.stderr())
  assert.ok(!existsSync(socket), 'the socket is removed')
})

test('the routes of the control socket return Litestream’s HTTP status codes', async (t) => {
  const { file, socket, stop } = await startDaemon(t)
  const call = (method: string, route: string, body?: string) =>
    new Promise<{ status: number; body: { error?: string; txid?: number; databases?: unknown[] } }>(
      (resolve, reject) => {
        const outgoing = request({ socketPath: socket, method, path: route }, async (response) => {
          let text = ''
          for await (const chunk of response.setEncoding('utf8')) text += chunk
          resolve({ status: response.statusCode!, body: JSON.parse(text) })
        })
        outgoing.on('error', reject)
        outgoing.end(body)
      },
    )
  assert.deepEqual(await call('GET', `/txid?path=${file}`), { status: 200, body: { txid: 1 } })
  assert.equal((await call('GET', '/txid')).status, 400)
  assert.equal((await call('GET', '/txid?path=/nowhere.db')).status, 404)
  assert.deepEqual(
    [(await call('POST', '/sync', '{}')).body.error, (await call('POST', '/sync', '{}')).status],
    ['path required', 400],
  )
  assert.equal((await call('POST', '/sync', '{')).status, 400)
  assert.equal((await call('POST', '/sync', '{"path":"/nowhere.db"}')).status, 404)
  assert.equal((await call('POST', '/start', '{"path":"/nowhere.db"}')).status, 500)
  assert.equal((await call('POST', '/register', '{"path":"/x.db"}')).status, 400)
  assert.equal((await call('POST', '/register', '{"path":"/x.db","replica_url":"floppy://a"}')).status, 400)
  assert.equal((await call('GET', '/nothing')).status, 404)
  assert.equal((await call('GET', '/debug/sync-status')).body.databases?.length, 1)
  await stop()
})

test('if no process listens on the control socket, the error says how to enable the control socket', async () => {
  const { status, stderr } = await run(['list', '-socket', '/nowhere/control.sock'])
  assert.equal(status, 1)
  assert.match(
    stderr,
    /^Error: no litestream-ts process listens on \/nowhere\/control\.sock\nTry: .*socket: \{ enabled: true \}/,
  )
  const missing = await run(['register', '-socket', '/x', '/a.db'])
  assert.match(missing.stderr, /^Error: required option '--replica <url>' not specified/)
})

test('a new process replaces the control socket file that a killed process left', async (t) => {
  const { config, socket, daemon } = await startDaemon(t)
  daemon.child.kill('SIGKILL')
  await daemon.finished
  assert.ok(existsSync(socket))
  const next = start(['replicate', '-config', config])
  cleanUp(t, () => next.child.kill('SIGKILL'))
  await until('it listens', () => next.stderr().includes('control socket listening'))
  assert.equal((await run(['info', '-socket', socket])).status, 0)
  next.child.kill('SIGTERM')
  assert.equal((await next.finished).status, 0)
})
