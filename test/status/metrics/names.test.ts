import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakReplica } from '../../cli/break-replica.js'
import { startDaemon } from '../../cli/daemon/daemon-fixture.js'
import { until } from '../../support/until.js'

/** Litestream's own, with their labels; what its dashboards are made of. */
const LITESTREAM: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  litestream_db_size: ['gauge', 'db'],
  litestream_wal_size: ['gauge', 'db'],
  litestream_txid: ['gauge', 'db'],
  litestream_disk_full: ['gauge', 'db'],
  litestream_l0_retention_files_total: ['gauge', 'db', 'status'],
  litestream_total_wal_bytes: ['counter', 'db'],
  litestream_sync_count: ['counter', 'db'],
  litestream_sync_error_count: ['counter', 'db'],
  litestream_sync_seconds: ['counter', 'db'],
  litestream_checkpoint_count: ['counter', 'db', 'mode'],
  litestream_checkpoint_error_count: ['counter', 'db', 'mode'],
  litestream_checkpoint_seconds: ['counter', 'db', 'mode'],
  litestream_compaction_verify_error_count: ['counter', 'db'],
  litestream_replica_operation_total: ['counter', 'operation', 'replica_type'],
  litestream_replica_operation_bytes: ['counter', 'operation', 'replica_type'],
  litestream_replica_operation_duration_seconds: ['histogram', 'operation', 'replica_type'],
}

const OURS: typeof LITESTREAM = {
  litestream_db_healthy: ['gauge', 'db'],
  litestream_replica_lag_seconds: ['gauge', 'db'],
  litestream_replica_txid: ['gauge', 'db'],
  litestream_replica_last_success_timestamp_seconds: ['gauge', 'db'],
  litestream_replica_files: ['gauge', 'db', 'level'],
  litestream_replica_bytes: ['gauge', 'db', 'level'],
  litestream_replica_requests_total: ['counter', 'operation', 'replica_type'],
  litestream_replica_retries_total: ['counter', 'operation', 'replica_type'],
  litestream_compaction_count: ['counter', 'db', 'level'],
  litestream_compaction_duration_seconds: ['histogram', 'db', 'level'],
}

test("the metrics include all of Litestream's metrics with their names and labels, and additional metrics", async (t) => {
  const { db, file, http, stop } = await startDaemon(t)
  db.exec("INSERT INTO t (v) VALUES ('c')")
  const metrics = async () => (await fetch(`${http}/metrics`)).text()
  const value = (text: string, series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    )
  const text = await until('both files are there', async () => {
    const now = await metrics()
    const all =
      value(now, `litestream_replica_txid{db="${file}"}`) === 2 && now.includes('litestream_compaction_count{')
    return all ? now : undefined
  })
  for (const [name, [type, ...labels]] of Object.entries({ ...LITESTREAM, ...OURS })) {
    assert.ok(text.includes(`# TYPE ${name} ${type}\n`), `${name} is a ${type}`)
    const line = text.split('\n').find((l) => l.startsWith(`${name}{`) || l.startsWith(`${name}_bucket{`))
    assert.ok(line, `${name} has a value`)
    const found = [...line.matchAll(/(\w+)="/g)].map((match) => match[1]!).filter((label) => label !== 'le')
    assert.deepEqual(found.sort(), labels, name)
  }
  for (const standard of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds'])
    assert.ok(text.includes(standard), standard)
  assert.equal(value(text, `litestream_txid{db="${file}"}`), 2)
  assert.ok(value(text, `litestream_sync_count{db="${file}"}`) >= 1)
  assert.ok(value(text, 'litestream_replica_operation_total{replica_type="file",operation="PUT"}') >= 2)
  assert.match(text, /litestream_l0_retention_files_total\{db="app\.db",status="not_compacted"\} \d/)
  await stop()
})

test('/healthz returns a failure while a replica is behind its database', async (t) => {
  const { dir, db, daemon, http, stop } = await startDaemon(t, 'shutdown-sync-timeout: 0s')
  const health = async (query = '') => {
    const response = await fetch(`${http}/healthz${query}`)
    return { status: response.status, body: await response.text() }
  }
  const good = await health()
  assert.equal(good.status, 200, good.body)
  assert.equal(JSON.parse(good.body).status, 'ok')
  breakReplica(`${dir}/replica`)
  db.exec("INSERT INTO t (v) VALUES ('stuck')")
  const bad = await until('it fails', async () => {
    const { status, body } = await health('?max-lag=10ms')
    const answer = JSON.parse(body)
    const [database] = answer.databases
    // Before the first failed upload the same database is 'behind'.
    return answer.status === 'failing' && database.lag_seconds >= 0.01 ? { status, database } : undefined
  })
  assert.deepEqual([bad.status, bad.database.ok], [503, false])
  assert.equal((await health('?max-lag=soon')).status, 400)
  assert.equal(await stop(), 1, daemon.stderr())
})

test('the status server is read-only and serves only its own paths', async (t) => {
  const { http, file, stop } = await startDaemon(t)
  assert.equal((await fetch(`${http}/metrics`, { method: 'POST' })).status, 405)
  assert.equal((await fetch(`${http}/nothing`)).status, 404)
  const page = await fetch(http)
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(page.headers.get('content-security-policy')!, /default-src 'none'/)
  assert.doesNotMatch(await page.text(), /(src|href)="(?!\/status\.json)/)
  const status = (await (await fetch(`${http}/status.json`)).json()) as {
    databases: { path: string; state: string; ok: boolean }[]
  }
  assert.deepEqual(
    status.databases.map(({ path, state, ok }) => [path, state, ok]),
    [[file, 'replicating', true]],
  )
  await stop()
})
