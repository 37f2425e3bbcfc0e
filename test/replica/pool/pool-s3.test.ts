import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { formatFileName } from '../../../src/ltx/file-name.js'
import { native } from '../../../src/native/addon.js'
import type { PooledReplica } from '../../../src/replica/pool/pooled-replica.js'
import { s3Key } from '../../../src/storage/keys.js'
import { runAll } from '../../../src/util/run-all.js'
import { collect } from '../../support/collect.js'
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.js'
import { makeSource, value } from '../../support/replica.js'
import { s3Bucket, s3Sdk, s3Server, s3Url } from '../../support/s3.js'
import { openTestPool } from '../../support/tenants.js'

interface Bucket {
  readonly prefix: string
  /** The proxy in front of the server, which counts requests and connections. */
  readonly proxy: FaultProxy
  readonly names: readonly string[]
}

/** A bucket with `count` replicas of one file each. */
async function makeBucket(t: TestContext, count: number): Promise<Bucket> {
  const { files, history } = await makeSource(t)
  const info = await history.commit("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')")
  const Body = readFileSync(path.join(files, 'ltx/0', formatFileName(info.minTxid, info.maxTxid)))
  const bucket = await s3Bucket(t)
  const names = Array.from({ length: count }, (_, i) => `tenant ${i}/app.db`)
  const sdk = s3Sdk()
  const put = (name: string) => () =>
    sdk.send(new PutObjectCommand({ Bucket: bucket, Key: s3Key(`tenants/${name}`, info), Body }))
  await runAll(16, names.map(put))
  sdk.destroy()
  const proxy = await startFaultProxy({ target: s3Server().endpoint })
  t.after(() => proxy.close())
  return { prefix: s3Url(bucket, 'tenants', proxy.url), proxy, names }
}

function countOf(replica: PooledReplica): unknown {
  const db = new Database(replica.uri, { readonly: true })
  try {
    return value(db, 'SELECT count(*) FROM t')
  } finally {
    db.close()
  }
}

test('S3: the replicas of a pool share connections, and opening a replica costs three LISTs and one GET', async (t) => {
  const { prefix, proxy, names } = await makeBucket(t, 40)
  const pool = await openTestPool(t, prefix, { maxOpen: 40, pollInterval: '1h' })
  proxy.reset()
  for (const name of names) assert.equal(await pool.use(name, countOf), 2)
  const { connections, kinds } = proxy.counts()
  assert.ok(connections <= 4, `${connections} connections for 40 replicas`)
  assert.deepEqual(kinds, { LIST: 120, GET: 40 })
  assert.deepEqual((await collect(pool.names())).sort(), [...names].sort())
})

test('S3: if 100 replicas share a pool of 20, opening a replica costs three LISTs each time', async (t) => {
  const { prefix, proxy, names } = await makeBucket(t, 100)
  const pool = await openTestPool(t, prefix, { maxOpen: 20, pollInterval: '1h' })
  proxy.reset()
  let most = 0
  await Promise.all(
    names.map((name) =>
      pool.use(name, (replica) => {
        assert.equal(countOf(replica), 2)
        most = Math.max(most, native.openReplicas())
      }),
    ),
  )
  const { opened, failed } = pool.stats()
  const { LIST } = proxy.counts().kinds
  assert.equal(failed, 0)
  assert.ok(most <= 20, `${most} replicas were open`)
  assert.equal(LIST, 3 * opened)
})
