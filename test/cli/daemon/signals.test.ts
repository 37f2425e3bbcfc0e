import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { startSilentStore } from '../../support/silent-store.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { type Running, start } from '../run.js'
import { createDatabase, fixture, insertRow, rowsOf, startDaemonWith } from './daemon-of-two.js'

// These limits only detect a hang: without a bound each of these took minutes, or never ended.
const GUARD = { timeout: 60_000 }
const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' }

function started(t: TestContext, args: readonly string[]): Running {
  const running = start(args, { env })
  cleanUp(t, () => running.child.kill('SIGKILL'))
  return running
}

test('if a restore is waiting for a store, the first SIGINT or SIGTERM ends the restore', GUARD, async (t) => {
  const dir = temporaryDirectory(t)
  for (const [command, output] of [
    [['replicate', '-restore-if-db-not-exists'], 'a.db'],
    [['replicate', '-once', '-restore-if-db-not-exists'], 'b.db'],
  ] as const) {
    const { url, requests } = await startSilentStore(t)
    const file = path.join(dir, output)
    const running = started(t, [...command, file, url])
    await until('a request is in flight', () => requests() > 0)
    running.child.kill('SIGTERM')
    const { status, stderr } = await running.finished
    assert.equal(status, 1, stderr)
    assert.match(stderr, new RegExp(`(some databases are not replicated|msg=interrupted).*${output}`))
    assert.ok(!existsSync(file))
  }
})

test(
  'if an upload is waiting for a store, the first SIGINT or SIGTERM ends the upload after shutdown-sync-timeout',
  GUARD,
  async (t) => {
    const dir = temporaryDirectory(t)
    createDatabase(path.join(dir, 'app.db'))
    const { url, requests } = await startSilentStore(t)
    const config = path.join(dir, 'litestream.yml')
    writeFileSync(config, `shutdown-sync-timeout: 100ms\ndbs: [{ path: ${dir}/app.db, replica: { url: "${url}" } }]`)
    const running = started(t, ['replicate', '-config', config])
    await until('a request is in flight', () => requests() > 0)
    running.child.kill('SIGINT')
    const { status, stderr } = await running.finished
    assert.equal(status, 1, stderr)
    assert.match(stderr, /the last sync failed: the replica is behind.*app\.db|app\.db.*the last sync failed/)
  },
)

test('the second signal ends the process immediately, with the exit status for that signal', GUARD, async (t) => {
  const dir = temporaryDirectory(t)
  createDatabase(path.join(dir, 'app.db'))
  const { url, requests } = await startSilentStore(t)
  const config = path.join(dir, 'litestream.yml')
  writeFileSync(config, `shutdown-sync-timeout: 1h\ndbs: [{ path: ${dir}/app.db, replica: { url: "${url}" } }]`)
  for (const [second, expected] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    const before = requests()
    const running = started(t, ['replicate', '-config', config])
    await until('a request is in flight', () => requests() > before)
    running.child.kill('SIGTERM')
    await until('it shuts down', () => running.stderr().includes('shutting down'))
    running.child.kill(second)
    assert.equal((await running.finished).status, expected)
  }
})

test(
  'SIGINT or SIGTERM during replicate -once ends the sync, and the log names the databases that were not replicated',
  GUARD,
  async (t) => {
    const dir = temporaryDirectory(t)
    createDatabase(path.join(dir, 'app.db'))
    const { url, requests } = await startSilentStore(t)
    const running = started(t, ['replicate', '-once', path.join(dir, 'app.db'), url])
    await until('a request is in flight', () => requests() > 0)
    running.child.kill('SIGTERM')
    const { status, stderr } = await running.finished
    assert.equal(status, 1, stderr)
    assert.match(stderr, /level=ERROR .*app\.db.*interrupted by SIGTERM/)
  },
)

test('if a signal ends the -exec program, the log names the signal, and the exit status is 128 plus the signal number', async (t) => {
  const { dir, replica, config } = fixture(t)
  for (const [signal, status] of [
    ['KILL', 137],
    ['SEGV', 139],
    ['USR1', 138],
  ] as const) {
    const program = path.join(dir, 'program.sh')
    writeFileSync(program, `kill -${signal} $$`)
    const daemon = startDaemonWith(t, config([], `exec: "sh ${program}"`))
    const end = await daemon.finished
    assert.equal(end.status, status, end.stderr)
    assert.match(end.stderr, new RegExp(`exec command ended.* status=${status} signal=SIG${signal}`))
  }
  assert.equal(await rowsOf(t, replica), 1)
  const daemon = startDaemonWith(t, config([], `exec: "${dir}"`))
  const { status, stderr } = await daemon.finished
  assert.equal(status, 1)
  assert.match(stderr, /Error: cannot start exec command .*EACCES/)
})

test(
  'an -exec program that ignores the first signal is killed after exec-stop-timeout, and the program’s last commits are uploaded',
  GUARD,
  async (t) => {
    const { dir, good, replica, config } = fixture(t)
    const pid = path.join(dir, 'pid')
    const program = path.join(dir, 'program.sh')
    writeFileSync(program, `trap "" TERM; echo $$ > ${pid}; while :; do sleep 0.1; done`)
    const daemon = startDaemonWith(t, config([], `exec: "sh ${program}"\nexec-stop-timeout: 300ms`))
    await until('the program runs', () => existsSync(pid))
    insertRow(good)
    assert.equal(await daemon.stop(), 0)
    assert.match(
      daemon.stderr(),
      /level=WARN msg="the exec command did not end, killing it" signal=SIGTERM after=300ms/,
    )
    assert.throws(() => process.kill(Number(readFileSync(pid, 'utf8')), 0), { code: 'ESRCH' })
    assert.equal(await rowsOf(t, replica), 2)
  },
)

test('the second signal ends an -exec program that ignores the first signal', GUARD, async (t) => {
  const { dir, config } = fixture(t)
  const pid = path.join(dir, 'pid')
  const program = path.join(dir, 'program.sh')
  writeFileSync(program, `trap "" TERM; echo $$ > ${pid}; while :; do sleep 1; done`)
  const daemon = startDaemonWith(t, config([], `exec: "sh ${program}"`))
  await until('the program runs', () => existsSync(pid))
  daemon.child.kill('SIGTERM')
  await until('it shuts down', () => daemon.stderr().includes('shutting down'))
  assert.equal(await daemon.stop(), 143)
  const running = Number(readFileSync(pid, 'utf8'))
  await until('the program is gone', () => {
    try {
      process.kill(running, 0)
      return false
    } catch {
      return true
    }
  })
})

test(
  'an uncaught error is logged with its error code, and the process syncs once more and ends with status 1',
  GUARD,
  async (t) => {
    const { dir, good, replica, config } = fixture(t)
    // A module of the test throws in a timer and rejects a promise, as no code of the program does.
    const boom = path.join(dir, 'boom.mjs')
    writeFileSync(
      boom,
      `process.on('SIGUSR2', () => {
       setTimeout(() => { throw new Error('thrown by the test') })
       void Promise.reject(Object.assign(new Error('rejected by the test'), { code: 'EACCES' }))
     })`,
    )
    const daemon = startDaemonWith(t, config([]), { env: { NODE_OPTIONS: `--import=${boom}` } })
    await until('it replicates', () => daemon.stderr().includes('ltx file uploaded'))
    const db = new Database(good)
    db.exec("INSERT INTO t VALUES ('last')")
    daemon.child.kill('SIGUSR2')
    const { status, stderr } = await daemon.finished
    db.close()
    assert.equal(status, 1, stderr)
    assert.match(stderr, /level=FATAL msg="unexpected error.* code=INTERNAL/)
    assert.match(stderr, /level=FATAL msg="unexpected error.* code=ACCESS_DENIED/)
    assert.match(stderr, /litestream shut down/)
    assert.equal(await rowsOf(t, replica), 2)
  },
)

test('SIGUSR1 and SIGUSR2 neither end the process nor open a debugger', GUARD, async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  createDatabase(file)
  const running = started(t, ['replicate', file, `file://${dir}/replica`])
  const uploads = () => running.stderr().match(/ltx file uploaded/g)?.length ?? 0
  await until('the database is uploaded', () => uploads() === 1)
  running.child.kill('SIGUSR1')
  running.child.kill('SIGUSR2')
  insertRow(file)
  await until('the row is uploaded', () => uploads() === 2)
  running.child.kill('SIGTERM')
  const { status, stderr } = await running.finished
  assert.equal(status, 0, stderr)
  assert.doesNotMatch(stderr, /debugger/i)
})
