import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanUp } from '../../../support/clean-up.js'
import { startProxyProcess } from '../../../support/proxy-process.js'
import { makeSource } from '../../../support/replica.js'
import { s3Bucket, s3Server, s3Url } from '../../../support/s3.js'
import { openForWriting } from '../../../support/written-replica.js'

test('a new process commits after four round trips, because the process lists the replica during its probe, and again while it takes the lease', async (t) => {
  const bucket = await s3Bucket(t)
  const { history } = await makeSource(t, { url: s3Url(bucket) })
  await history.commit('CREATE TABLE t (x)')
  const proxy = await startProxyProcess(s3Server().endpoint)
  cleanUp(t, () => proxy.close())
  // Longer than this process needs between two requests: those that are sent at once overlap.
  await proxy.latency(400)
  const { replica, db } = await openForWriting(t, s3Url(bucket, 'app.db', proxy.url), { write: { compaction: false } })
  db.exec('INSERT INTO t VALUES (1)')
  const committed = await proxy.counts()
  assert.ok(committed.rounds <= 4, `${committed.rounds} round trips`)
  db.close()
  await replica.close()
  const { kinds, rounds } = await proxy.counts()
  // PUT: three of the probe, the lease and the commit. DELETE: the probe and the lease.
  assert.deepEqual([kinds.PUT, kinds.DELETE], [5, 2])
  // The end of the lease takes two more: it is read before it is deleted.
  assert.ok(rounds <= 6, `${rounds} round trips`)
})
