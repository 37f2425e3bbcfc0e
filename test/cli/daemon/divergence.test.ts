import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { type Daemon, fixture, startDaemonWith } from './daemon-of-two.js'

const SOCKET = (dir: string) => `addr: 127.0.0.1:0\nsocket: { enabled: true, path: ${dir}/control.sock }`

/** A database with its first rows, which replaces a lost one and its state folder. */
function createAnew(file: string, rows: number): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  rmSync(path.join(path.dirname(file), `.${path.basename(file)}-litestream`), { recursive: true, force: true })
  const db = new Database(file)
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (v)')
  for (let i = 0; i < rows; i++) db.exec('INSERT INTO t VALUES (randomblob(3000))')
  db.close()
}

/** A configuration with a database that was replicated and then lost. */
async function lost(t: TestContext, more = '') {
  const { dir, config } = fixture(t)
  const file = path.join(dir, 'lost.db')
  const name = config(
    [`{ path: ${file}, monitor-interval: 20ms, ${more} replica: { path: ${dir}/backup, sync-interval: 20ms } }`],
    SOCKET(dir),
  )
  createAnew(file, 20)
  assert.equal((await run(['replicate', '-once', '-config', name])).status, 0)
  createAnew(file, 0)
  return { dir, file, name }
}

const labels = async (daemon: Daemon, file: string) => {
  const found = (await daemon.status()).databases.find((database) => database.path === file)
  return [found?.label, found?.ok]
}

test('every command and every HTTP page reports a diverged database until the user acknowledges the divergence', async (t) => {
  const { file, name } = await lost(t)
  const daemon = startDaemonWith(t, name)
  await until('it is reported', () => daemon.stderr().includes('the database has diverged'))
  await until('it is replicated all the same', () =>
    /lost\.db.*ltx file uploaded|ltx file uploaded.*lost\.db/.test(daemon.stderr()),
  )
  assert.match(
    daemon.stderr(),
    /level=WARN.*the database has diverged.*lost\.db does not continue.*restore -force -txid/,
  )
  assert.equal((await daemon.health()).status, 503)
  assert.deepEqual(await labels(daemon, file), ['diverged', false])
  const metrics = async () => (await fetch(`${await daemon.http()}/metrics`)).text()
  assert.ok((await metrics()).includes(`litestream_db_diverged{db="${file}"} 1`))
  const status = await run(['status', '-config', name])
  assert.equal(status.status, 1)
  assert.match(status.stdout, /lost\.db does not continue the newest state of .*litestream-ts acknowledge/)

  const acknowledged = await run(['acknowledge', '-json', '-config', name, file])
  assert.equal(acknowledged.status, 0, acknowledged.stderr)
  const { status: answer, divergences } = JSON.parse(acknowledged.stdout)
  assert.deepEqual([answer, divergences.length, divergences[0].reason], ['acknowledged', 1, 'unrelated'])
  assert.equal((await daemon.health()).status, 200)
  assert.deepEqual(await labels(daemon, file), ['replicating', true])
  assert.ok((await metrics()).includes(`litestream_db_diverged{db="${file}"} 0`))
  assert.match((await run(['acknowledge', '-config', name, file])).stdout, /nothing to acknowledge/)
  assert.equal((await run(['status', '-config', name])).status, 0)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('on-divergence: refuse makes replicate -once fail until the user acknowledges the divergence, and on-divergence: restore restores the replica’s database', async (t) => {
  const { file, name } = await lost(t, 'on-divergence: refuse,')
  const refused = await run(['replicate', '-once', '-config', name])
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /REPLICA_DIVERGED/)
  assert.equal((await run(['acknowledge', '-config', name, file])).status, 0)
  const accepted = await run(['replicate', '-once', '-config', name])
  assert.equal(accepted.status, 0, accepted.stderr)

  const other = await lost(t, 'on-divergence: restore,')
  const restored = await run(['replicate', '-once', '-config', other.name])
  assert.equal(restored.status, 0, restored.stderr)
  const db = new Database(other.file, { readonly: true })
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), 20)
  db.close()
})

test('a database path that does not exist is reported immediately, and /healthz reports a failure', async (t) => {
  const { dir, config } = fixture(t)
  const entry = (file: string, more = '') =>
    `{ path: ${dir}/${file}, monitor-interval: 20ms, ${more} replica: { path: ${dir}/${file}.backup } }`
  const daemon = startDaemonWith(t, config([entry('typo.db'), entry('later.db', 'allow-missing: true,')], SOCKET(dir)))
  await until('it is reported', () => daemon.stderr().includes('the database does not exist'))
  assert.match(daemon.stderr(), /level=WARN.*the database does not exist and is not replicated.*typo\.db/)
  assert.doesNotMatch(daemon.stderr(), /the database does not exist and is not replicated.*later\.db/)
  assert.deepEqual(await labels(daemon, path.join(dir, 'typo.db')), ['no database file', true])
  assert.deepEqual(await labels(daemon, path.join(dir, 'later.db')), ['waiting for the file', true])
  const body = (await (await fetch(`${await daemon.http()}/healthz?max-lag=0s`)).json()) as {
    databases: { path: string; ok: boolean; reason?: string }[]
  }
  const of = (file: string) => body.databases.find(({ path: at }) => at === path.join(dir, file))
  assert.match(of('typo.db')?.reason ?? '', /the database file has been missing/)
  assert.equal(of('later.db')?.ok, true)
  const metrics = await (await fetch(`${await daemon.http()}/metrics`)).text()
  assert.ok(metrics.includes(`litestream_db_missing{db="${dir}/typo.db"} 1`))
  assert.ok(metrics.includes(`litestream_db_missing{db="${dir}/later.db"} 0`))
  await daemon.stop()
})
