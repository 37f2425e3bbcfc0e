import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { openReplicaClient } from '../../../src/storage/open.js'
import { cleanUp } from '../../support/clean-up.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { main, run, start } from '../run.js'
import { createDatabase, insertRow, rowsOf } from './daemon-of-two.js'

interface Reloaded {
  readonly added: string[]
  readonly removed: string[]
  readonly changed: string[]
  readonly unchanged: string[]
  readonly needs_restart: string[]
  readonly errors: unknown[]
}

test('a reload adds, removes and changes databases, does not touch unchanged databases, and refuses an invalid configuration file', async (t) => {
  const dir = temporaryDirectory(t)
  const [kept, gone, moved, fresh] = ['kept', 'gone', 'moved', 'fresh'].map((name) => path.join(dir, `${name}.db`)) as [
    string,
    string,
    string,
    string,
  ]
  const many = path.join(dir, 'many')
  mkdirSync(many)
  const found = path.join(many, 'found.db')
  for (const file of [kept, gone, moved, fresh, found]) createDatabase(file)
  const config = path.join(dir, 'litestream.yml')
  const socket = path.join(dir, 'control.sock')
  const entry = (file: string, replica = `${path.basename(file)}-replica`) =>
    `  - { path: ${file}, monitor-interval: 20ms, replica: { path: ${dir}/${replica}, sync-interval: 20ms } }\n`
  const write = (entries: string, more = '') =>
    writeFileSync(config, `socket: { enabled: true, path: ${socket} }\n${more}\ndbs:\n${entries}`)
  write(entry(kept) + entry(gone) + entry(moved))
  const daemon = start(['replicate', '-config', config])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  const uploads = () => daemon.stderr().match(/ltx file uploaded/g)?.length ?? 0
  await until('all are replicated', () => uploads() === 3)

  insertRow(gone)
  const many1 = `  - { dir: ${many}, pattern: "*.db", monitor-interval: 20ms, replica: { path: ${dir}/many-replica, sync-interval: 20ms } }\n`
  write(entry(kept) + entry(moved, 'elsewhere') + entry(fresh) + many1, 'addr: 127.0.0.1:0')
  const reload = await run(['reload', '-json', '-socket', socket])
  assert.equal(reload.status, 0, reload.stderr)
  const result = JSON.parse(reload.stdout) as Reloaded
  assert.deepEqual(
    { ...result, added: result.added.sort() },
    {
      added: [found, fresh].sort(),
      removed: [gone],
      changed: [moved],
      unchanged: [kept],
      needs_restart: ['addr'],
      errors: [],
    },
  )
  assert.equal(await rowsOf(t, `file://${gone}-replica`), 2, 'the removed database was synced once more')
  await until('the new ones are replicated', async () => {
    const client = await openReplicaClient(`file://${dir}/elsewhere`)
    const files = []
    for await (const file of client.list(0)) files.push(file)
    await client.close()
    return (
      files.length > 0 && daemon.stderr().includes('fresh.db ltxLevel') && /found\.db ltxLevel/.test(daemon.stderr())
    )
  })
  const opened = (file: string) => daemon.stderr().split(`msg="initialized db" db=${file} `).length - 1
  assert.deepEqual([opened(kept), opened(moved)], [1, 2], 'only the changed database was opened again')

  // A changed pattern keeps the databases that it still selects.
  write(entry(kept) + entry(moved, 'elsewhere') + entry(fresh) + many1.replace('*.db', 'f*.db'))
  daemon.child.kill('SIGHUP')
  await until('SIGHUP reloads', () => daemon.stderr().split('configuration reloaded').length === 3)
  assert.deepEqual([opened(found), opened(kept)], [1, 1])

  for (const invalid of [
    'dbs: [',
    `${readFileSync(config, 'utf8')}${entry(kept)}`,
    'unknown-type: { }\ndbs: 5\n',
    '',
  ]) {
    writeFileSync(config, invalid)
    const refused = await run(['reload', '-socket', socket])
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /^Error: .+\nTry: /)
  }
  rmSync(config)
  execFileSync('mkfifo', [config])
  const blocked = await run(['reload', '-socket', socket])
  assert.match(blocked.stderr, /^Error: .*litestream\.yml is a FIFO, not a regular file\n/)
  rmSync(config)
  const list = JSON.parse((await run(['list', '-json', '-socket', socket])).stdout)
  assert.equal(list.databases.length, 4)

  write(entry(kept) + entry(gone))
  rmSync(fresh)
  daemon.child.kill('SIGHUP')
  await until('a database comes back', () => opened(gone) === 2)
  daemon.child.kill('SIGTERM')
  assert.equal((await daemon.finished).status, 0, daemon.stderr())
})

test('if the command line has `-config -`, the configuration is read from standard input', (t) => {
  const dir = temporaryDirectory(t)
  createDatabase(path.join(dir, 'app.db'))
  const input = `dbs: [{ path: ${dir}/app.db, replica: { path: ${dir}/replica } }]`
  const once = spawnSync(process.execPath, [main, 'replicate', '-once', '-config', '-'], { input, encoding: 'utf8' })
  assert.equal(once.status, 0, once.stderr)
  const wrong = spawnSync(process.execPath, [main, 'databases', '-config', '-'], { input: 'dbs: [', encoding: 'utf8' })
  assert.equal(wrong.status, 1)
  assert.match(wrong.stderr, /standard input.*\nTry: /)
})

test('-config accepts the file descriptor that a shell passes for <(command), and refuses devices and FIFOs immediately', (t) => {
  const dir = temporaryDirectory(t)
  createDatabase(path.join(dir, 'app.db'))
  const fifo = path.join(dir, 'fifo')
  execFileSync('mkfifo', [fifo])
  const text = `dbs: [{ path: ${dir}/app.db, replica: { path: ${dir}/replica } }]`
  const databases = (command: string) =>
    spawnSync('bash', ['-c', `${process.execPath} ${main} databases -json -config ${command}`], { encoding: 'utf8' })
  const passed = databases(`<(echo '${text}')`)
  assert.equal(passed.status, 0, passed.stderr)
  assert.match(passed.stdout, /app\.db/)
  for (const [file, kind] of [
    [fifo, 'a FIFO'],
    ['/dev/zero', 'a character device'],
  ]) {
    const { status, stderr } = databases(file!)
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^Error: ${file} is ${kind}, not a regular file\nTry: Name a regular file`))
  }
})
