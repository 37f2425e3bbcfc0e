import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { cleanUp } from '../../support/clean-up.js'
import { freePort } from '../../support/servers/free-port.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { start } from '../run.js'

test('if a store is unavailable when the process starts, the process retries its requests, and other databases are replicated without delay', async (t) => {
  const dir = temporaryDirectory(t)
  const port = await freePort()
  const config = path.join(dir, 'litestream.yml')
  for (const name of ['away.db', 'here.db']) new Database(path.join(dir, name)).exec('CREATE TABLE t (v)').close()
  writeFileSync(
    config,
    `addr: 127.0.0.1:0
shutdown-sync-timeout: 0s
dbs:
  - path: ${dir}/away.db
    replica: { url: "nats://127.0.0.1:${port}/bucket", timeout: 100ms }
  - path: ${dir}/here.db
    replica: { path: ${dir}/here }
`,
  )
  const daemon = start(['replicate', '-config', config])
  cleanUp(t, () => daemon.child.kill('SIGKILL'))
  await until('the other is replicated', () => daemon.stderr().includes('ltx file uploaded'))
  await until('it is tried again later', () => /cannot open the replica.* retry=\d/.test(daemon.stderr()), 60_000)
  const http = /addr=(http:\S+)/.exec(daemon.stderr())![1]!
  const health = await fetch(`${http}/healthz?max-lag=1ms`)
  assert.equal(health.status, 503)
  daemon.child.kill('SIGTERM')
  // No replica has its commits.
  assert.equal((await daemon.finished).status, 1, daemon.stderr())
  assert.match(daemon.stderr(), /some databases are not replicated.*away\.db/)
})
