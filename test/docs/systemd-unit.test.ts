import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createDatabase, giveAway, startDaemonWith } from '../cli/daemon/daemon-of-two.js'
import { run } from '../cli/run.js'
import { freePort } from '../support/servers/free-port.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const root = path.resolve(import.meta.dirname, '../../..')
const unit = readFileSync(path.join(root, 'docs/examples/litestream-ts.service'), 'utf8')

/** The value of a setting of the unit that is there once. */
function setting(name: string): string {
  const values = [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!)
  assert.equal(values.length, 1, name)
  return values[0]!
}

/** The first YAML block of docs/replicate.md: the configuration that goes with the unit. */
function printedConfig(): string {
  return /```yaml\n([\s\S]*?)```/.exec(readFileSync(path.join(root, 'docs/replicate.md'), 'utf8'))![1]!
}

test('the program and the argument in the systemd unit exist, and the unit runs as an ordinary user', () => {
  const [program, ...args] = setting('ExecStart').split(' ')
  const { bin } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  assert.match(program!, /^\/opt\/litestream-ts\/node_modules\/\.bin\//)
  assert.ok(path.basename(program!) in bin)
  assert.deepEqual(args, ['replicate', '-config', '/etc/litestream.yml'])
  assert.notEqual(setting('User'), 'root')
  assert.match(unit, /npm install --prefix \/opt\/litestream-ts /)
})

test('with the directories that the systemd unit creates, an ordinary user can run the configuration in docs/replicate.md', async (t) => {
  const sandbox = temporaryDirectory(t)
  // systemd makes these and gives them to the user; nothing else in the sandbox is the user's.
  const runtime = path.join('/run', setting('RuntimeDirectory'))
  const state = path.join('/var/lib', setting('StateDirectory'))
  for (const folder of [runtime, state]) {
    mkdirSync(path.join(sandbox, folder), { recursive: true })
    giveAway(path.join(sandbox, folder))
  }
  mkdirSync(path.join(sandbox, 'bucket'))
  giveAway(path.join(sandbox, 'bucket'))
  chmodSync(sandbox, 0o755)
  createDatabase(path.join(sandbox, state, 'app.db'))
  giveAway(path.join(sandbox, state))
  const config = path.join(sandbox, 'litestream.yml')
  const text = printedConfig()
    .replaceAll('/run/', `${sandbox}/run/`)
    .replaceAll('/var/lib/', `${sandbox}/var/lib/`)
    .replace('127.0.0.1:9090', `127.0.0.1:${await freePort()}`)
    .replace(/s3:\/\/bucket\S*/, `file://${sandbox}/bucket/app.db`)
    .replace(/^ *region:.*\n/m, '')
  writeFileSync(config, text)
  const env = { LITESTREAM_CONFIG: config }
  const check = await run(['config', 'check'], { ordinary: true, env })
  assert.deepEqual([check.status, check.stderr], [0, ''])

  const daemon = startDaemonWith(t, config, { ordinary: true })
  await until('it replicates', () => daemon.stderr().includes('ltx file uploaded'))
  const { status, body } = await daemon.health()
  assert.deepEqual([status, body.status, body.parts], [200, 'ok', undefined])
  assert.ok(statSync(path.join(sandbox, runtime, 'control.sock')).isSocket())
  // The commands find the socket in the configuration.
  const list = await run(['list'], { ordinary: true, env })
  assert.match(list.stdout, /app\.db \[replicating\]/, list.stderr)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})
