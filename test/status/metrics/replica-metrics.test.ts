import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { Registry } from 'prom-client'
import { openReplica } from '../../../src/index.js'
import { registerReplicaMetrics } from '../../../src/status/metrics/replica-metrics.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { History } from '../../support/history.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

test('the metrics contain every open replica', async (t) => {
  const dir = temporaryDirectory(t)
  const url = `file://${dir}/replica`
  const history = new History(path.join(dir, 'app.db'), await openReplicaClient(url), 4096)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (v)')
  await history.commit('INSERT INTO t VALUES (1), (2)')
  const registry = new Registry()
  const replica = await openReplica(url)
  registerReplicaMetrics(registry, replica)
  const db = new Database(replica.uri, { readonly: true })
  assert.equal(db.prepare('SELECT count(*) FROM t').pluck().get(), 2)
  const value = async (name: string) => {
    const text = await registry.metrics()
    const line = text.split('\n').find((l) => l.startsWith(`litestream_vfs_${name}{replica="${url}"} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  assert.equal(await value('txid'), 2)
  assert.equal(await value('connections'), 1)
  assert.equal(await value('hydration_ratio'), 0)
  assert.ok((await value('lag_seconds'))! < 60)
  const { hits, misses, crossings } = replica.stats()
  assert.deepEqual(
    [await value('hits_total'), await value('misses_total'), await value('crossings_total')],
    [hits, misses, crossings],
  )
  assert.ok((await value('hits_total'))! + (await value('misses_total'))! > 0)
  assert.equal(await value('fetched_bytes_total'), (await replica.workerStats()).fetch.bytes)
  db.close()
  await replica.close()
  assert.equal(await value('txid'), undefined)
})
