// A replica is closed, or its local copy is changed, while the copy is being filled.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { native } from '../../../../src/native/addon.js'
import { openReplica } from '../../../../src/replica/handle/open-replica.js'
import { makeProxiedSource } from '../../../support/proxied-source.js'
import { connect, makeSource, openTestReplica, value } from '../../../support/replica.js'
import { until } from '../../../support/until.js'

const SEED = `CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 0, hex(randomblob(200)) FROM n;`

test('if a replica is closed after any request of its opening or of the filling of its local copy, no resource leaks, and the filling continues later', async (t) => {
  const source = await makeProxiedSource(t)
  const { url, history, directory, proxy } = source
  await history.commit(SEED)
  for (let i = 0; i < 2; i++) await history.commit(`UPDATE t SET n = 1 WHERE id BETWEEN ${i * 500} AND ${i * 500 + 20}`)
  const copy = path.join(directory, 'copy.db')
  const before = native.liveObjects()
  proxy.latency(1)
  let requests = 0
  for (let after = 0; after <= requests + 2; after++) {
    proxy.reset()
    const controller = new AbortController()
    const opening = openReplica(url, { hydrate: copy, signal: controller.signal, pollInterval: 3_600_000 })
    let complete = false
    const closed = opening.then(
      async (replica) => {
        void replica.whenHydrated().then(
          () => {
            complete = true
          },
          () => {},
        )
        await until('so many requests', () => complete || proxy.counts().requests >= after)
        await replica.close()
      },
      (error: Error) => assert.equal(error.message, 'enough'),
    )
    await until('so many requests', () => complete || proxy.counts().requests >= after)
    controller.abort(new Error('enough'))
    await closed
    requests = Math.max(requests, complete ? 0 : proxy.counts().requests)
  }
  assert.ok(requests > 8, `${requests} requests`)
  proxy.latency(0)
  await until('no native object is left', () => {
    const now = native.liveObjects()
    return Object.entries(before).every(([name, count]) => now[name as keyof typeof now] <= count)
  })
  const replica = await openReplica(url, { hydrate: copy })
  await replica.whenHydrated()
  await replica.close()
  assert.ok(readFileSync(copy).subarray(0, history.bytes.length).equals(history.bytes))
})

test('if a local copy is removed during use, the local copy is created again with the commits that were made in between', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await replica.whenHydrated()
  rmSync(copy)
  await history.commit('UPDATE t SET n = 1')
  const isWhole = async () => existsSync(copy) && (await replica.refresh()) === 2 && replica.stats().hydration === 1
  await until('the new copy is complete', isWhole)
  const db = connect(t, replica.uri)
  assert.equal(value(db, 'SELECT sum(n) FROM t'), 3000)
  db.close()
  await replica.close()
  assert.ok(readFileSync(copy).subarray(0, history.bytes.length).equals(history.bytes))
})

test('if a local copy is truncated while its replica is closed, the local copy is filled from the beginning', async (t) => {
  const { url, history, directory } = await makeSource(t)
  await history.commit(SEED)
  const copy = path.join(directory, 'copy.db')
  const first = await openTestReplica(t, url, { hydrate: copy })
  await first.whenHydrated()
  await first.close()
  truncateSync(copy, 100 * 4096)
  const replica = await openTestReplica(t, url, { hydrate: copy })
  await replica.whenHydrated()
  assert.ok(readFileSync(copy).subarray(0, history.bytes.length).equals(history.bytes))
  assert.equal(value(connect(t, replica.uri), 'SELECT count(v) FROM t'), 3000)
})
