import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { Daemon } from '../../../src/cli/daemon/daemon.js'
import { DaemonMetrics } from '../../../src/cli/daemon/daemon-metrics.js'
import { replicateOnceAll } from '../../../src/cli/daemon/once.js'
import { configFromText } from '../../../src/config/load.js'
import { health } from '../../../src/status/verdict.js'
import { silentLogger } from '../../../src/util/logger.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'

function makeDatabase(dir: string): Database.Database {
  const db = new Database(path.join(dir, 'app.db'))
  db.pragma('journal_mode = wal')
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  return db
}

const configOf = (dir: string, mirrors: string) =>
  `dbs: [{ path: ${dir}/app.db, monitor-interval: 20ms, replica: { url: "file://${dir}/replica", sync-interval: 20ms }, mirrors: ${mirrors} }]`

test('a configured mirror follows the replica, and a failing mirror affects neither the database nor other mirrors', async (t) => {
  const dir = temporaryDirectory(t)
  const db = makeDatabase(dir)
  t.after(() => db.close())
  // A file stands where the folder of the second mirror belongs.
  writeFileSync(path.join(dir, 'blocked'), '')
  const mirrors = `[{ url: "file://${dir}/mirror", interval: 20ms }, { url: "file://${dir}/blocked", interval: 20ms }]`
  const served = new DaemonMetrics()
  const daemon = new Daemon(configFromText(configOf(dir, mirrors), 'litestream.yml'), silentLogger, served)
  t.after(() => daemon.close())
  await daemon.open()
  const database = daemon.databases[0]!
  const status = () => database.summary().mirrors
  const { txid } = await database.sync({ wait: true })
  await until('the first mirror has it', () => status()[0]!.txid === txid)
  await until('the second mirror fails', () => daemon.faults.list().length > 0)
  const [fault] = daemon.faults.list()
  assert.deepEqual([fault!.part, fault!.replication], ['mirror', false])
  assert.match(fault!.name, /app\.db file:.*blocked$/)
  assert.equal(health(daemon.summaries(), daemon.faults.list(), null).status, 'degraded')
  assert.deepEqual([status()[1]!.txid, status()[0]!.lagMs], [undefined, 0])
  // It recovers automatically.
  renameSync(path.join(dir, 'blocked'), path.join(dir, 'away'))
  db.exec('INSERT INTO t VALUES (2)')
  const next = await database.sync({ wait: true })
  await until('both have it', () => status().every((mirror) => mirror.txid === next.txid))
  const metrics = await served.text(daemon)
  assert.match(
    metrics,
    new RegExp(`litestream_mirror_txid\\{db="${dir}/app.db",mirror="file:.*/mirror"\\} ${next.txid}\n`),
  )
  assert.match(metrics, new RegExp(`litestream_mirror_lag_seconds\\{db="${dir}/app.db",mirror="file:.*/mirror"\\} 0\n`))
  await daemon.close()
  const copy = path.join(dir, 'copy.db')
  assert.equal((await run(['restore', '-o', copy, `file://${dir}/mirror`])).status, 0)
  const restored = new Database(copy)
  assert.deepEqual(restored.prepare('SELECT x FROM t').pluck().all(), [1, 2])
  restored.close()
})

test('replicate -once updates the mirrors, and fails if a mirror cannot be updated', async (t) => {
  const dir = temporaryDirectory(t)
  makeDatabase(dir).close()
  const good = configFromText(configOf(dir, `[{ url: "file://${dir}/mirror" }]`), 'litestream.yml')
  assert.equal(await replicateOnceAll(good, silentLogger, {}), 0)
  assert.equal((await run(['verify', `file://${dir}/mirror`])).status, 0)
  writeFileSync(path.join(dir, 'blocked'), '')
  const bad = configFromText(configOf(dir, `[{ url: "file://${dir}/blocked" }]`), 'litestream.yml')
  assert.equal(await replicateOnceAll(bad, silentLogger, {}), 1)
})

test('a mirror URL must not be the replica, the database or another mirror, and each database of a directory gets its own mirror', (t) => {
  const dir = temporaryDirectory(t)
  const daemonOf = (mirrors: string) =>
    new Daemon(configFromText(configOf(dir, mirrors), 'litestream.yml'), silentLogger)
  assert.throws(() => daemonOf(`[{ url: "file://${dir}/replica" }]`), /a mirror of .*overlap|are the same path/)
  assert.throws(() => daemonOf(`[{ url: "file://${dir}/replica/below" }]`), /overlap/)
  const s3 = '{ url: "s3://bucket/app?region=us-east-1" }'
  assert.throws(() => daemonOf(`[${s3}, ${s3}]`), /have the same replica/)
  assert.throws(() => daemonOf(`[{ url: "file://${dir}/m", interval: 0s }]`), /mirror interval must be greater than 0/)
  const { directories } = configFromText(
    `dbs: [{ dir: ${dir}, pattern: "*.db", replica: { url: "file:///r" }, mirrors: [{ url: "s3://b/m", retention: 1h, limit: 1MB }] }]`,
    'litestream.yml',
  )
  const [mirror] = directories[0]!.mirrors
  assert.deepEqual([mirror!.retention, mirror!.limit, mirror!.interval], [3_600_000, 1_000_000, 10_000])
})
