import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { packageRoot } from '../../../src/package-files.js'
import { replicateOnce } from '../../../src/primary/replicate-once.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { startDaemon } from '../daemon/daemon-fixture.js'
import { run } from '../run.js'

// What scripts and files written for Litestream 0.5 rely on: docs/compatibility.md. The comparison
// with the program itself is in test/interop.

function ask(socket: string, method: string, route: string, body?: object) {
  return new Promise<{ status: number; answer: Record<string, unknown> }>((resolve, reject) => {
    const outgoing = request({ socketPath: socket, path: route, method }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve({ status: response.statusCode ?? 0, answer: JSON.parse(text) })
    })
    outgoing.on('error', reject)
    outgoing.end(body && JSON.stringify(body))
  })
}

test('the responses of the control socket have Litestream’s field names, and the control socket accepts a timeout of 0', async (t) => {
  const { socket, file, db, stop } = await startDaemon(t)
  const call = async (route: string, body: object) => {
    const { status, answer } = await ask(socket, 'POST', route, { path: file, ...body })
    assert.equal(status, 200, JSON.stringify(answer))
    assert.equal(answer.path, file)
    return answer
  }
  db.exec("INSERT INTO t (v) VALUES ('c')")
  const synced = await call('/sync', { wait: true, timeout: 0 })
  assert.equal(synced.replicated_txid, synced.txid)
  const stopped = await call('/stop', { timeout: 0 })
  assert.deepEqual([stopped.status, stopped.txid], ['stopped', synced.txid])
  const { answer } = await ask(socket, 'GET', '/list')
  const [listed] = answer.databases as { status: string; last_sync_at?: string }[]
  assert.equal(listed?.status, 'stopped')
  assert.match(String(listed?.last_sync_at), /^\d{4}-/)
  const started = await call('/start', { timeout: 0 })
  assert.deepEqual([started.status, started.txid], ['started', synced.txid])
  const unregistered = await call('/unregister', { timeout: 0 })
  assert.deepEqual([unregistered.status, unregistered.txid], ['unregistered', synced.txid])
  // A database that does not exist was never synced.
  const missing = { path: `${file}-missing`, replica_url: `file://${file}-replica` }
  assert.equal((await ask(socket, 'POST', '/register', missing)).status, 200)
  const [open] = (await ask(socket, 'GET', '/list')).answer.databases as object[]
  assert.deepEqual(open, { path: missing.path, status: 'open' })
  assert.equal((await ask(socket, 'POST', '/unregister', { path: missing.path })).status, 200)
  assert.equal((await ask(socket, 'GET', '/start')).status, 405)
  assert.equal((await ask(socket, 'POST', '/start', {})).status, 400)
  assert.equal(await stop(), 0)
})

test('the help and version commands accept Litestream’s spellings, and commands that Litestream 0.5 does not have are refused', async () => {
  const help = await run(['help'])
  assert.equal(help.status, 0)
  assert.match(help.stdout, /replicate .*Replicate databases/)
  assert.match((await run(['help', 'restore'])).stdout, /-txid/)
  const version = await run(['version'])
  for (const flag of ['--version', '-version', '-v']) assert.equal((await run([flag])).stdout, version.stdout, flag)
  for (const name of ['generations', 'snapshots', 'mcp']) {
    const { status, stderr } = await run([name, '/app.db'])
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`unknown command '${name}'`))
  }
})

test('restore accepts an upper-case TXID, and restore -f -if-db-not-exists does not change an existing database', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, output] = [path.join(directory, 'app.db'), path.join(directory, 'restored.db')]
  const url = `file://${directory}/replica`
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  for (let i = 0; i < 11; i++) {
    db.exec(`CREATE TABLE t${i} (x)`)
    await replicateOnce(file, url)
  }
  db.close()
  const restored = await run(['restore', '-txid', '000000000000000A', '-o', output, url])
  assert.equal(restored.status, 0, restored.stderr)
  const before = readFileSync(output)
  const followed = await run(['restore', '-f', '-if-db-not-exists', '-o', output, url])
  assert.equal(followed.status, 0, followed.stderr)
  assert.deepEqual(readFileSync(output), before)

  const there = await run(['restore', '-if-db-not-exists', '-json', '-o', output, url])
  assert.deepEqual(JSON.parse(there.stdout), { db_path: output, replica: 'file', status: 'output-exists' })
  const late = ['restore', '-timestamp', '2999-01-01T00:00:00Z', '-json', '-o', 'late.db', url]
  const newest = JSON.parse((await run(late, { cwd: directory })).stdout)
  assert.deepEqual([newest.db_path, newest.txid], [path.join(directory, 'late.db'), '000000000000000b'])
})

test('every test file that docs/compatibility.md names exists', () => {
  const text = readFileSync(path.join(packageRoot(), 'docs/compatibility.md'), 'utf8')
  const named = text.match(/test\/[a-z0-9./-]+\.test\.ts/g) ?? []
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter((file) => !existsSync(path.join(packageRoot(), file))),
    [],
  )
})

test('the first columns of the status table have the names and types that Litestream uses', async (t) => {
  const directory = temporaryDirectory(t)
  const [file, missing] = [path.join(directory, 'app.db'), path.join(directory, 'missing.db')]
  const config = path.join(directory, 'litestream.yml')
  const db = new Database(file)
  t.after(() => db.close())
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (x)')
  const entry = (name: string) => `  - { path: ${name}, replica: { path: ${name}.replica } }\n`
  writeFileSync(config, `x-anchors: &a { any: thing }\nx-more: [*a]\ndbs:\n${entry(file)}${entry(missing)}`)
  const { stdout } = await run(['status', '-json', '-config', config])
  const [known, unknown] = JSON.parse(stdout)
  assert.deepEqual([known.local_txid, known.status, known.wal_size], ['-', 'not initialized', '8.3 kB'])
  assert.deepEqual([unknown.local_txid, unknown.wal_size, unknown.wal_bytes], ['-', '0 B', 0])
  const text = await run(['status', '-config', config])
  assert.match(text.stdout, /^database +status +local txid +wal size/)
})

test('logging.stderr selects the output stream of the log, and a JSON log has the keys and levels of Litestream', async (t) => {
  const directory = temporaryDirectory(t)
  const file = path.join(directory, 'app.db')
  const config = path.join(directory, 'litestream.yml')
  new Database(file).exec('CREATE TABLE t (x)').close()
  const settings = (stderr: string) => `logging: { type: json${stderr} }
levels: []
validation: { interval: 0 }
dbs: [{ path: ${file}, monitor-interval: 0, replica: { path: ${directory}/replica } }]
`
  for (const [stderr, stream] of [
    [', stderr: false', 'stdout'],
    [', stderr: true', 'stderr'],
    ['', 'stderr'],
  ] as const) {
    writeFileSync(config, settings(stderr))
    const ended = await run(['replicate', '-once', '-config', config])
    assert.equal(ended.status, 0, ended.stderr)
    const lines = ended[stream]
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(Object.keys(lines[0]).slice(0, 3), ['time', 'level', 'msg'])
    assert.equal(lines[0].level, 'INFO')
    assert.equal(ended[stream === 'stdout' ? 'stderr' : 'stdout'], '')
  }
})
