import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { compact } from '../../src/compaction/compact.js'
import { enforceL0Retention } from '../../src/compaction/retention.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { follow } from '../../src/restore/follow.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { History, hashFile } from '../support/history.js'
import { s3Bucket, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

test('on S3, a primary writes every level, every TXID and time can be restored, and a follower follows the replica', async (t) => {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(s3Url(await s3Bucket(t)))
  t.after(() => client.close())
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  const change = (n: number) =>
    history.commit(
      `INSERT INTO t (v) WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM s WHERE i<${n}) SELECT randomblob(900) FROM s`,
    )
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  await change(4000)
  await change(10)
  await compact(client, { level: 1 })
  await change(20)
  await change(30)
  await createSnapshot(client)
  await change(1)
  await compact(client, { level: 1 })

  const output = path.join(dir, 'restored.db')
  for (const [txid, hash] of history.hashes) {
    await restore(client, { output, txid, force: true, integrityCheck: 'none' })
    assert.equal(hashFile(output), hash, `TXID ${txid}`)
    // The store says when a file was uploaded: today. The times of these states are in its
    // metadata.
    const then = await restore(client, {
      output,
      timestamp: history.times.get(txid)! + 1,
      force: true,
      integrityCheck: 'none',
    })
    assert.equal(then.txid, txid)
    assert.equal(hashFile(output), hash)
  }
  assert.deepEqual((await verifyReplica(client)).faults, [])

  const stop = new AbortController()
  let at = 0
  const copy = path.join(dir, 'copy.db')
  const following = follow(client, {
    output: copy,
    interval: 20,
    signal: stop.signal,
    onAdvance: ({ txid }) => {
      at = txid
    },
  })
  await until('the follower begins', () => at === 6)
  await change(5)
  await until('it follows', () => at === 7)
  stop.abort()
  await following

  const deleted = await enforceL0Retention(client, { l0Retention: 1, now: Date.now() + 60_000 })
  assert.deepEqual(
    deleted.map(({ maxTxid }) => maxTxid),
    [1, 2, 3, 4, 5, 6],
  )
  await restore(client, { output, force: true })
  assert.equal(hashFile(output), history.hashes.get(7))
})
