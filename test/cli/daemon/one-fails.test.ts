import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { cleanUp } from '../../support/clean-up.js'
import { freePort } from '../../support/servers/free-port.js'
import { startSilentStore } from '../../support/silent-store.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { createDatabase, fixture, giveAway, insertRow, rowsOf, startDaemonWith } from './daemon-of-two.js'

// One database, replica or folder fails; the other database is still replicated.

const ADDR = 'addr: 127.0.0.1:0\nshutdown-sync-timeout: 0s'

test('a replica that cannot be opened affects only its own database, and the daemon opens the replica later', async (t) => {
  const { dir, good, replica, config } = fixture(t)
  const bad = path.join(dir, 'bad.db')
  createDatabase(bad)
  writeFileSync(path.join(dir, 'plain'), 'a file where the replica should be')
  const name = config([`{ path: ${bad}, monitor-interval: 20ms, replica: { path: ${dir}/plain } }`], ADDR)
  const daemon = startDaemonWith(t, name)
  await until('the good one is replicated', async () => (await rowsOf(t, replica)) === 1)
  insertRow(good)
  await until('and stays so', async () => (await rowsOf(t, replica)) === 2)

  const { status, body } = await until('the fault is shown', async () => {
    const health = await daemon.health()
    return health.status === 503 ? health : undefined
  })
  const [first, second] = body.databases
  assert.deepEqual([status, body.status, first?.ok, second?.ok, second?.path], [503, 'failing', true, false, bad])
  assert.match(second!.error!, /plain/)
  const shown = (await daemon.status()).databases.find(({ path: file }) => file === bad)!
  assert.deepEqual([shown.ok, shown.error?.message, shown.reason], [false, second!.error, second!.error])
  assert.match(daemon.stderr(), new RegExp(`level=ERROR .*plain.*db=${bad}|db=${bad}.*plain`))

  rmSync(path.join(dir, 'plain'))
  await until('it is replicated', async () => (await rowsOf(t, `file://${dir}/plain`)) === 1, 60_000)
  await until('all is well', async () => (await daemon.health()).status === 200)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('a store with an unknown host, denied access or a missing bucket affects only its own database, and the process exits with status 1', async (t) => {
  const { dir, replica, config } = fixture(t)
  const port = await freePort()
  const urls = [
    `s3://bucket/a?endpoint=http://name.invalid:9000&region=us-east-1`,
    `nats://127.0.0.1:${port}/bucket/b`,
    'gs://bucket-1/c',
    `abs://account:a2V5@container/d?endpoint=http://127.0.0.1:${port}/account`,
    `oss://id:sample-key-4@bucket/e?endpoint=http://127.0.0.1:${port}`,
    `sftp://me:sample-pw-4@127.0.0.1:${port}/f?insecureHostKey=true`,
    `webdav://me:sample-pw-4@127.0.0.1:${port}/g`,
    ...(process.env.TEST_NATS_URL ? [`${process.env.TEST_NATS_URL}/no-such-bucket/h`] : []),
  ]
  const entries = urls.map((url, i) => {
    createDatabase(path.join(dir, `bad${i}.db`))
    return `{ path: ${dir}/bad${i}.db, replica: { url: "${url}", timeout: 100ms } }`
  })
  const env = {
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
    STORAGE_EMULATOR_HOST: `http://127.0.0.1:${port}`,
  }
  const daemon = startDaemonWith(t, config(entries, ADDR), { env })
  await until('the good one is replicated', async () => (await rowsOf(t, replica)) === 1, 60_000)
  await until(
    'each other one has an error',
    async () => {
      const { databases } = await daemon.status()
      return databases.filter(({ error }) => error !== undefined).length === urls.length
    },
    120_000,
  )
  assert.equal((await daemon.health('?max-lag=0s')).status, 503)
  assert.equal(await daemon.stop(), 1)
  for (const i of urls.keys())
    assert.match(daemon.stderr(), new RegExp(`some databases are not replicated.*bad${i}\\.db`))
  assert.doesNotMatch(daemon.stderr(), /some databases are not replicated.*good\.db/)
  assert.doesNotMatch(daemon.stderr(), /sample-(?:pw|key)-4|a2V5/)
})

test('a path that cannot be resolved affects only its own database', async (t) => {
  const { dir, replica, config } = fixture(t)
  symlinkSync(path.join(dir, 'loop.db'), path.join(dir, 'loop.db'))
  writeFileSync(path.join(dir, 'file'), '')
  mkdirSync(path.join(dir, 'folder.db'))
  const paths = ['loop.db', 'file/inside.db', 'folder.db', `${'x'.repeat(300)}.db`].map((name) => path.join(dir, name))
  const entries = paths.map((file, i) => `{ path: "${file}", replica: { path: ${dir}/bad${i} } }`)
  const daemon = startDaemonWith(t, config(entries, ADDR))
  await until('the good one is replicated', async () => (await rowsOf(t, replica)) === 1)
  const errors = await until('each other one has an error', async () => {
    const { databases } = await daemon.status()
    const failing = databases.filter(({ error }) => error !== undefined)
    return failing.length === paths.length ? failing : undefined
  })
  for (const { error } of errors) assert.ok(error!.hint && error!.code, error!.message)
  for (const route of ['/metrics', '/status.json', '/'])
    assert.equal((await fetch(`${await daemon.http()}${route}`)).status, 200, route)
  assert.equal((await daemon.health()).status, 503)
  assert.equal(await daemon.stop(), 1, daemon.stderr())
})

test('if a folder becomes unreadable, only the databases in this folder are affected, until the folder is readable again', async (t) => {
  const { dir, good, replica, config } = fixture(t)
  const shut = path.join(dir, 'shut')
  const bad = path.join(shut, 'bad.db')
  createDatabase(bad)
  mkdirSync(path.join(dir, 'replicas'))
  const name = config([`{ path: ${bad}, monitor-interval: 20ms, replica: { path: ${dir}/replicas/bad } }`], ADDR)
  giveAway(dir)
  const daemon = startDaemonWith(t, name, { ordinary: true })
  await until('both are replicated', async () => (await rowsOf(t, `file://${dir}/replicas/bad`)) === 1)
  chmodSync(shut, 0)
  cleanUp(t, () => chmodSync(shut, 0o755))
  // The sampler reads sizes every five seconds: the process must outlive it.
  await until('the fault is shown', async () => (await daemon.health()).status === 503)
  await until('samples were taken', async () =>
    (await daemon.status()).databases.every(({ lagHistory }) => lagHistory.length >= 2),
  )
  insertRow(good)
  giveAway(path.dirname(good))
  await until('the good one is replicated', async () => (await rowsOf(t, replica)) === 2)
  chmodSync(shut, 0o755)
  await until('the other one recovers', async () => (await daemon.health()).status === 200, 120_000)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('a database whose file is missing counts as ok until max-lag has passed, and afterwards as not ok', async (t) => {
  const { dir, config } = fixture(t)
  const late = path.join(dir, 'late.db')
  const daemon = startDaemonWith(t, config([`{ path: ${late}, replica: { path: ${dir}/late } }`], ADDR))
  await until('it runs', () => daemon.stderr().includes('ltx file uploaded'))
  assert.equal((await daemon.health('?max-lag=1h')).status, 200)
  const { status, body } = await daemon.health('?max-lag=1ms')
  assert.deepEqual([status, body.databases[1]!.state, body.databases[1]!.ok], [503, 'open', false])
  assert.match(body.databases[1]!.reason!, /the database file has been missing/)
  createDatabase(late)
  await until(
    'it is replicated',
    async () => (await daemon.health('?max-lag=1ms')).body.databases[1]!.state === 'replicating',
  )
  rmSync(late)
  await until('its loss is shown', async () => (await daemon.health('?max-lag=1ms')).status === 503)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('replicate -once names the failed databases, replicates the other databases, and exits with status 1', async (t) => {
  const { dir, replica, config } = fixture(t)
  createDatabase(path.join(dir, 'bad.db'))
  writeFileSync(path.join(dir, 'plain'), '')
  const name = config([
    `{ path: ${dir}/bad.db, replica: { path: ${dir}/plain } }`,
    `{ path: ${dir}/none.db, replica: { path: ${dir}/none } }`,
  ])
  const { status, stderr } = await run(['replicate', '-once', '-config', name])
  assert.equal(status, 1)
  assert.match(stderr, /some databases were not replicated.*bad\.db.*none\.db/)
  assert.doesNotMatch(stderr, /some databases were not replicated.*good\.db/)
  assert.equal(await rowsOf(t, replica), 1)
  assert.ok(!existsSync(path.join(dir, 'none')), 'nothing is made for a database that does not exist')
})

test('replicate -exec starts the program even if a replica fails, but only after the restore of the program’s database', async (t) => {
  const { dir, config } = fixture(t)
  createDatabase(path.join(dir, 'bad.db'))
  writeFileSync(path.join(dir, 'plain'), '')
  const started = path.join(dir, 'started')
  const entry = (more: string, file: string) => `{ path: ${file}${more}, replica: { path: ${dir}/plain } }`
  const exec = `exec: "sh -c 'touch ${started}; exec sleep 60'"\nshutdown-sync-timeout: 0s`
  const daemon = startDaemonWith(t, config([entry('', `${dir}/bad.db`)], exec))
  await until('the program runs', () => existsSync(started))
  assert.equal(await daemon.stop(), 1)

  rmSync(started)
  const restoring = startDaemonWith(t, config([entry(', restore-if-db-not-exists: true', `${dir}/new.db`)], exec))
  await until('it waits', () => restoring.stderr().includes('the exec command starts when the database is restored'))
  assert.ok(!existsSync(started))
  rmSync(path.join(dir, 'plain'))
  await until('the program runs', () => existsSync(started), 60_000)
  await restoring.stop()
})

test('a store that never responds does not delay the status page and the metrics of other databases', {
  timeout: 60_000,
}, async (t) => {
  const { dir, config } = fixture(t)
  createDatabase(path.join(dir, 'silent.db'))
  const store = await startSilentStore(t)
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' }
  const name = config([`{ path: ${dir}/silent.db, replica: { url: "${store.url}" } }`], ADDR)
  const daemon = startDaemonWith(t, name, { env })
  await until('a request is in flight', () => store.requests() > 0)
  const [document, metrics] = await Promise.all([
    daemon.status(),
    fetch(`${await daemon.http()}/metrics`, { signal: AbortSignal.timeout(20_000) }).then((response) =>
      response.text(),
    ),
  ])
  assert.equal(document.databases.length, 2)
  assert.match(document.databases[1]!.levelsError ?? 'no error', /not finished within|no error/)
  assert.match(metrics, /litestream_db_size\{db=".*good\.db"\}/)
  assert.equal(await daemon.stop(), 1)
})
