import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, renameSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleanUp } from '../../support/clean-up.js'
import { removeWhileUsed } from '../../support/remove-while-used.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { createDatabase, fixture, giveAway, rowsOf, startDaemonWith } from './daemon-of-two.js'

const ADDR = 'addr: 127.0.0.1:0\nshutdown-sync-timeout: 0s'

/** A directory entry beside a healthy database. */
function directories(t: TestContext, more = '') {
  const base = fixture(t)
  const many = path.join(base.dir, 'many')
  mkdirSync(many)
  mkdirSync(path.join(base.dir, 'reps'))
  const entry = `{ dir: ${many}, pattern: "*.db", replica: { path: ${base.dir}/reps, sync-interval: 20ms }, monitor-interval: 20ms${more} }`
  return { ...base, many, entry, urlOf: (name: string) => `file://${base.dir}/reps/${name}` }
}

test('an unreadable database or folder in a directory is reported, and the other databases in the directory are replicated', async (t) => {
  const { dir, many, entry, config, urlOf, replica } = directories(t, ', recursive: true')
  for (const name of ['a.db', 'b.db', 'shut/c.db', 'open/d.db']) createDatabase(path.join(many, name), 'delete')
  const name = config([entry], ADDR)
  giveAway(dir)
  chmodSync(path.join(many, 'b.db'), 0)
  chmodSync(path.join(many, 'shut'), 0)
  cleanUp(t, () => chmodSync(path.join(many, 'shut'), 0o755))

  const once = await run(['replicate', '-once', '-config', name], { ordinary: true })
  assert.equal(once.status, 1, once.stderr)
  assert.match(once.stderr, /some databases were not replicated.*many\/b\.db.*many\/shut/)
  for (const url of [replica, urlOf('a.db'), urlOf('open/d.db')]) assert.equal(await rowsOf(t, url), 1)

  const status = await run(['status', '-config', name], { ordinary: true })
  assert.equal(status.status, 1)
  for (const shown of [/many\/a\.db +ok/, /many\/b\.db: reading .*EACCES/, /many\/shut: reading .*EACCES/])
    assert.match(status.stdout, shown)
  const databases = await run(['databases', '-config', name], { ordinary: true })
  assert.equal(databases.status, 1)
  assert.match(databases.stderr, /Error: reading .*b\.db failed.*\nTry: .+\nError: reading .*shut failed.*\nTry: /)

  const daemon = startDaemonWith(t, name, { ordinary: true })
  const { body } = await until('the faults are shown', async () => {
    const health = await daemon.health()
    return health.body.parts?.length === 2 ? health : undefined
  })
  assert.equal(body.status, 'failing')
  chmodSync(path.join(many, 'b.db'), 0o644)
  chmodSync(path.join(many, 'shut'), 0o755)
  await until(
    'all are replicated',
    async () => {
      const { status, body } = await daemon.health()
      return status === 200 && body.databases.length === 5 && (await rowsOf(t, urlOf('shut/c.db'))) === 1
    },
    60_000,
  )
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('loops, FIFOs, broken links and unusual file names in a directory do not affect the databases in the directory', async (t) => {
  const { many, entry, config, urlOf } = directories(t, ', recursive: true')
  createDatabase(path.join(many, 'a.db'))
  createDatabase(path.join(many, '..odd.db'))
  symlinkSync('loop.db', path.join(many, 'loop.db'))
  symlinkSync('nowhere', path.join(many, 'broken.db'))
  symlinkSync('.', path.join(many, 'round'))
  mkdirSync(path.join(many, 'folder.db'))
  execFileSync('mkfifo', [path.join(many, 'fifo.db')])
  execFileSync('sh', ['-c', 'cp "$0/a.db" "$0/$(printf "bad\\377.db")"', many])
  const { status, stderr } = await run(['replicate', '-once', '-config', config([entry])])
  assert.equal(status, 1)
  // A dangling link, a FIFO and a folder are not databases.
  const [, failed = ''] = /some databases were not replicated.*databases="?\[(.*)\]/.exec(stderr) ?? []
  assert.match(failed, /loop\.db.*|bad.*/)
  assert.equal(failed.split(',').length, 2, failed)
  assert.equal(await rowsOf(t, urlOf('a.db')), 1)
  assert.equal(await rowsOf(t, urlOf('..odd.db')), 1)
})

test('a directory that is missing at the start, or disappears later, is reported as a fault until the directory exists again', async (t) => {
  const { many, entry, config, urlOf, replica } = directories(t, ', watch: true')
  await removeWhileUsed(many)
  const daemon = startDaemonWith(t, config([entry], ADDR))
  await until('the good one is replicated', async () => (await rowsOf(t, replica)) === 1)
  await until('the fault is shown', async () => (await daemon.health()).body.parts?.[0]?.name === many)
  createDatabase(path.join(many, 'a.db'))
  await until('it is found', async () => (await rowsOf(t, urlOf('a.db'))) === 1, 60_000)
  await until('the fault is over', async () => (await daemon.health()).status === 200)

  renameSync(many, `${many}.away`)
  await until('the fault is shown again', async () => (await daemon.health()).body.parts?.length === 1, 120_000)
  assert.equal((await daemon.health()).body.databases.length, 2, 'its database is kept')
  renameSync(`${many}.away`, many)
  await until('the fault is over again', async () => (await daemon.health()).status === 200, 120_000)
  createDatabase(path.join(many, 'b.db'))
  await until('the watch works', async () => (await rowsOf(t, urlOf('b.db'))) === 1, 60_000)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('databases in new folders of a directory are replicated, and deleted databases are no longer replicated', async (t) => {
  const { many, entry, config, urlOf } = directories(t, ', watch: true, recursive: true')
  const daemon = startDaemonWith(t, config([entry], ADDR))
  await until('it runs', () => daemon.stderr().includes('ltx file uploaded'))
  createDatabase(path.join(many, 'new/deep/a.db'))
  await until('it is replicated', async () => (await rowsOf(t, urlOf('new/deep/a.db'))) === 1, 60_000)
  await removeWhileUsed(path.join(many, 'new'))
  await until('it is let go', () => /database vanished.*new\/deep\/a\.db/.test(daemon.stderr()), 60_000)
  await until('all is well', async () => (await daemon.health()).status === 200)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('if a database has two names in a directory, the database is replicated once, and the second name is reported as a fault', async (t) => {
  const { many, entry, config, urlOf } = directories(t)
  createDatabase(path.join(many, 'a.db'))
  symlinkSync('a.db', path.join(many, 'link.db'))
  const { status, stderr } = await run(['replicate', '-once', '-config', config([entry])])
  assert.equal(status, 1)
  assert.match(stderr, /some databases were not replicated.*link\.db/)
  assert.equal(await rowsOf(t, urlOf('a.db')), 1)
})
