import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'
import { unusedPort } from '../support/unused-port.js'
import { start } from './run.js'

const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }

/** What the command prints to stderr until it warns of the store for the first time. */
async function untilWarned(t: TestContext, args: readonly string[]): Promise<string> {
  const running = start(args, { cwd: temporaryDirectory(t), env })
  await until(`${args[0]} warns`, () => /^Try: |retry=/m.test(running.stderr()), 60_000)
  running.child.kill('SIGKILL')
  return (await running.finished).stderr
}

const COMMANDS: readonly (readonly string[])[] = [
  ['restore', '-o', 'out.db', 'URL'],
  ['restore', '-f', '-o', 'out.db', 'URL'],
  ['restore', '-all', '-o', 'out', 'URL'],
  ['hydrate', '-o', 'copy.db', 'URL'],
  ['mirror', 'URL', 'file:///nowhere/at/all'],
  ['query', 'URL', 'SELECT 1'],
  ['verify', 'URL'],
  ['ltx', 'URL'],
  ['compact', 'URL'],
  ['acknowledge', 'URL'],
]

for (const command of COMMANDS) {
  test(`if a store does not respond, ${command.slice(0, -1).join(' ')} prints a warning while it retries`, async (t) => {
    const port = await unusedPort()
    const url = `s3://bucket/app.db?endpoint=http://127.0.0.1:${port}`
    const stderr = await untilWarned(
      t,
      command.map((argument) => (argument === 'URL' ? url : argument)),
    )
    const [warning, next] = stderr.split('\n')
    assert.match(warning!, /^Warning: the store does not answer: .*s3:\/\/bucket\/app.db.*; next attempt in [\d.]+m?s$/)
    assert.ok(warning!.includes(`ECONNREFUSED 127.0.0.1:${port}`), warning)
    assert.match(next!, /^Try: Check host and port of the endpoint/)
  })
}

for (const flags of [[], ['-once']]) {
  test(`if a store does not respond, replicate ${flags.join(' ')} logs the outage while it retries`, async (t) => {
    const file = path.join(temporaryDirectory(t), 'app.db')
    new Database(file).exec('PRAGMA journal_mode = wal; CREATE TABLE t (x)').close()
    const port = await unusedPort()
    const url = `s3://bucket/app.db?endpoint=http://127.0.0.1:${port}`
    const lines = (await untilWarned(t, ['replicate', ...flags, file, url])).split('\n')
    const warned = lines.filter((line) => / level=(WARN|ERROR) /.test(line))
    assert.equal(warned.length, 1, lines.join('\n'))
    assert.match(warned[0]!, /level=WARN msg="the store does not answer" db=\S+app.db replica=s3:\/\/bucket\/app.db /)
    assert.match(warned[0]!, / code=UNAVAILABLE hint=".+" failures=\d+ outage=\S+ retry=\S+$/)
  })
}
