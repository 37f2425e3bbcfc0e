import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { refuseSuperseded } from '../../../../src/replica/worker/write/put-commit.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import { cleanUp } from '../../../support/clean-up.js'
import { compactRange } from '../../../support/compact.js'
import { makeWritten, restoredDatabase } from '../../../support/written-replica.js'

const signal = new AbortController().signal

test('a commit whose name was free only because the file with that name was compacted and deleted is rolled back', async (t) => {
  const { db, files, url } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  for (let i = 0; i < 4; i++) db.exec(`INSERT INTO t VALUES (${i})`)
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const stale = { level: 0, minTxid: 3, maxTxid: 3 }
  const own = await client.stat(stale)
  // The newest TXID: no other is beyond it.
  await refuseSuperseded(client, await client.stat({ level: 0, minTxid: 5, maxTxid: 5 }), signal)
  await assert.rejects(refuseSuperseded(client, own, signal), {
    code: 'REPLICA_FENCED',
    message: /other writers reached TXID 0000000000000005/,
  })
  assert.ok(!readdirSync(path.join(files, 'ltx/0')).includes('0000000000000003-0000000000000003.ltx'))
})

test('the newest TXID in a compacted file supersedes an L0 file of the same TXID', async (t) => {
  const { db, url } = await makeWritten(t)
  db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  await compactRange({ client }, 1, 1, 2)
  const own = await client.stat({ level: 0, minTxid: 2, maxTxid: 2 })
  await assert.rejects(refuseSuperseded(client, own, signal), { code: 'REPLICA_FENCED' })
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT x FROM t').pluck().get(), 1)
})
