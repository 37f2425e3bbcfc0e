import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { Registry } from 'prom-client'
import { openReplica } from '../../src/index.js'
import { serveReplicas } from '../../src/status/serve-replicas.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('an application that reads replicas can serve the metrics of these replicas', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const history = new History(path.join(dir, 'app.db'), await openReplicaClient(url), 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)')
  const replica = await openReplica(url)
  const server = await serveReplicas([replica], { addr: '127.0.0.1:0' })
  const db = new Database(replica.uri, { readonly: true })
  db.prepare('SELECT * FROM t').all()
  const status = (await (await fetch(`${server.address}/status.json`)).json()) as {
    replicas: Record<string, unknown>[]
  }
  const [shown] = status.replicas
  assert.deepEqual([shown!.url, shown!.txid, shown!.ok, shown!.connections, shown!.hydration], [url, 1, true, 1, 0])
  assert.equal((await fetch(`${server.address}/healthz`)).status, 200)
  assert.equal((await fetch(`${server.address}/healthz?max-lag=0s`)).status, 503)
  assert.match(await (await fetch(`${server.address}/metrics`)).text(), /^litestream_vfs_txid\{replica="file:.*"\} 1$/m)
  assert.match(await (await fetch(server.address)).text(), /^<!doctype html>/)
  db.close()
  await replica.close()
  const after = (await (await fetch(`${server.address}/status.json`)).json()) as { replicas: unknown[] }
  assert.deepEqual(after.replicas, [])
  await server.close()
  await assert.rejects(serveReplicas([], { addr: 'localhost' }), { code: 'INVALID_ARGUMENT' })
})

test('an AbortSignal or a deadline ends serveReplicas, and a failed serveReplicas call leaves no metrics', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const history = new History(path.join(dir, 'app.db'), await openReplicaClient(url), 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (v)')
  const replica = await openReplica(url)
  const registry = new Registry()
  const reason = new Error('enough')
  const start = (options: object) => serveReplicas([replica], { addr: '127.0.0.1:0', registry, ...options })
  await assert.rejects(start({ signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(start({ addr: 'localhost' }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(start({ timeout: 0 }), { code: 'INVALID_ARGUMENT' })
  assert.doesNotMatch(await registry.metrics(), /replica=/)
  const server = await start({ timeout: '30s' })
  assert.match(await registry.metrics(), /^litestream_vfs_txid\{replica=/m)
  await server.close()
  await replica.close()
})
