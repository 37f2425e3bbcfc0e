import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { refuseSuperseded } from '../../../../src/replica/worker/write/put-commit.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import { cleanUp } from '../../../support/clean-up.js'
import { compactRange } from '../../../support/compact.js'
import { makeWritten, restoredDatabase } from '../../../support/written-replica.js'

const signal = new AbortController().signal

/** Rows 0 to 3 in the L0 files of TXIDs 2 to 5. */
async function fiveFiles(t: TestContext) {
  const { db, files, url } = await makeWritten(t)
  db.exec('CREATE TABLE t (x)')
  for (let i = 0; i < 4; i++) db.exec(`INSERT INTO t VALUES (${i})`)
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const l0 = (txid: number) => client.stat({ level: 0, minTxid: txid, maxTxid: txid })
  return { client, url, l0, names: () => readdirSync(path.join(files, 'ltx/0')) }
}

const NAME_3 = '0000000000000003-0000000000000003.ltx'

test('if a commit could use its file name only because another writer’s file had been compacted and deleted, the commit is withdrawn', async (t) => {
  const { client, l0, names, url } = await fiveFiles(t)
  await compactRange({ client }, 1, 1, 5)
  const stale = await l0(3)
  await assert.rejects(refuseSuperseded(client, stale, signal), {
    code: 'COMMIT_UNKNOWN',
    message: /TXID 0000000000000003 was compacted/,
  })
  assert.ok(!names().includes(NAME_3))
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 4)
})

test('a commit whose response was lost remains if other writers committed after this commit', async (t) => {
  const { client, l0, names, url } = await fiveFiles(t)
  await refuseSuperseded(client, await l0(3), signal)
  await refuseSuperseded(client, await l0(5), signal)
  assert.ok(names().includes(NAME_3))
  const restored = await restoredDatabase(t, url)
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 4)
})

test('if a replica is reset during a commit, the commit is withdrawn', async (t) => {
  const { client, l0, names } = await fiveFiles(t)
  const own = await l0(5)
  await client.delete([await l0(3), await l0(4)])
  await assert.rejects(refuseSuperseded(client, own, signal), { code: 'REPLICA_FENCED', message: /was reset/ })
  assert.deepEqual(names().length, 2)
})
