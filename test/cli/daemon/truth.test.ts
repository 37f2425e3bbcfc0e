import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { createDatabase, type Daemon, fixture, insertRow, startDaemonWith } from './daemon-of-two.js'

const ADDR = 'addr: 127.0.0.1:0\nshutdown-sync-timeout: 0s'

/** The verdict of every command and page about one database. */
async function answers(daemon: Daemon, file: string) {
  const { status, body } = await daemon.health()
  const document = await daemon.status()
  const metrics = await (await fetch(`${await daemon.http()}/metrics`)).text()
  return {
    status,
    health: body.databases.find((database) => database.path === file)?.ok,
    document: document.databases.find((database) => database.path === file)?.ok,
    documentHealth: document.health === body.status,
    metric: metrics.includes(`litestream_db_healthy{db="${file}"} 1`),
  }
}

/** A database whose replica another primary has taken over. */
async function fenced(t: TestContext) {
  const { dir, good, config } = fixture(t)
  const file = path.join(dir, 'fenced.db')
  const other = path.join(dir, 'other.db')
  createDatabase(file)
  createDatabase(other)
  const url = `file://${dir}/shared`
  const name = config(
    [`{ path: ${file}, monitor-interval: 20ms, replica: { path: ${dir}/shared, sync-interval: 20ms } }`],
    ADDR,
  )
  writeFileSync(path.join(dir, 'owner.yml'), `dbs: [{ path: ${other}, replica: { url: "${url}" } }]`)
  const primary = startDaemonWith(t, path.join(dir, 'owner.yml'))
  await until('the other primary has the replica', () => primary.stderr().includes('ltx file uploaded'))
  return { dir, good, file, name, url, primary }
}

test('no command and no HTTP page shows a fenced database as ok, and the process exits with status 1', async (t) => {
  const { good, file, name, url, primary } = await fenced(t)
  const daemon = startDaemonWith(t, name)
  await until('it is fenced', () => daemon.stderr().includes('REPLICA_FENCED'))
  const all = await answers(daemon, file)
  assert.deepEqual(all, { status: 503, health: false, document: false, documentHealth: true, metric: false })
  assert.deepEqual(await answers(daemon, good), {
    status: 503,
    health: true,
    document: true,
    documentHealth: true,
    metric: true,
  })
  insertRow(good)
  assert.equal(await daemon.stop(), 1, daemon.stderr())
  assert.match(daemon.stderr(), /some databases are not replicated.*fenced\.db/)
  for (const args of [
    ['replicate', '-once', '-config', name],
    ['replicate', '-once', file, url],
  ]) {
    const once = await run(args)
    assert.equal(once.status, 1)
    assert.match(once.stderr, /REPLICA_FENCED/)
  }
  assert.equal(await primary.stop(), 0)
})

test('all commands and all HTTP pages give the same verdict, even while faults begin and end', async (t) => {
  const { dir, config } = fixture(t)
  const file = path.join(dir, 'bad.db')
  createDatabase(file)
  writeFileSync(path.join(dir, 'plain'), '')
  const daemon = startDaemonWith(t, config([`{ path: ${file}, replica: { path: ${dir}/plain } }`], ADDR))
  await until('it fails', () => daemon.stderr().includes('cannot open the replica'))
  assert.deepEqual(await answers(daemon, file), {
    status: 503,
    health: false,
    document: false,
    documentHealth: true,
    metric: false,
  })
  rmSync(path.join(dir, 'plain'))
  await until('it recovers', async () => (await daemon.health()).status === 200, 60_000)
  assert.deepEqual(await answers(daemon, file), {
    status: 200,
    health: true,
    document: true,
    documentHealth: true,
    metric: true,
  })
  assert.equal(await daemon.stop(), 0)
})

test('a primary on standby counts as ok, and ends without delay and with exit status 0', async (t) => {
  const { dir, config } = fixture(t)
  const entry = (file: string) =>
    `{ path: ${dir}/${file}, lease: true, monitor-interval: 20ms, replica: { path: ${dir}/leased, sync-interval: 20ms } }`
  createDatabase(path.join(dir, 'one.db'))
  createDatabase(path.join(dir, 'two.db'))
  writeFileSync(path.join(dir, 'owner.yml'), `dbs: [${entry('one.db')}]`)
  const owner = startDaemonWith(t, path.join(dir, 'owner.yml'))
  await until('it has the lease', () => owner.stderr().includes('ltx file uploaded'))
  const standby = startDaemonWith(t, config([entry('two.db')], 'addr: 127.0.0.1:0\nshutdown-sync-timeout: 1h'))
  const shown = await until('it stands by', async () =>
    (await standby.status()).databases.find(({ state }) => state === 'standby'),
  )
  assert.deepEqual([shown.ok, (await standby.health()).status], [true, 200])
  assert.equal(await standby.stop(), 0, standby.stderr())
  assert.equal(await owner.stop(), 0, owner.stderr())
})
