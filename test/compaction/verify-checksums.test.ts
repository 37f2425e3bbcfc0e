// Files of other programs have database checksums; ours have none. A restore compares the one of
// the newest file of its plan.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { compact } from '../../src/compaction/compact.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { CHECKSUM_FLAG } from '../../src/ltx/format.js'
import { native } from '../../src/native/addon.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { makeLtx } from '../ltx/make.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('like restore, verify compares the database checksum of the last LTX file with the pages of all files that a restore would read', async (t) => {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  await history.commit('INSERT INTO t (v) VALUES (randomblob(30000))')
  await compact(client, { level: 1 })
  await history.commit('INSERT INTO t (v) VALUES (randomblob(3000))')
  const { pageSize, bytes } = history
  const commit = bytes.length / pageSize
  const pgnos = Uint32Array.from({ length: commit }, (_, i) => i + 1)
  const sum = native.sumPages(pageSize, pgnos, bytes) | CHECKSUM_FLAG
  const header = { pageSize, commit, minTxid: 4, maxTxid: 4, flags: 0, preApplyChecksum: sum, timestamp: history.time }
  // A transaction that writes page 1 as it is.
  const write = (post: bigint) => {
    const file = makeLtx(header, new Map([[1, bytes.subarray(0, pageSize)]]), 1, post)
    return client.write({ level: 0, minTxid: 4, maxTxid: 4 }, file, { timestamp: history.time })
  }
  const output = path.join(dir, 'restored.db')
  await write(sum)
  const whole = await verifyReplica(client)
  assert.deepEqual([whole.faults, whole.restorable?.txid], [[], 4])
  assert.equal((await restore(client, { output })).txid, 4)

  await write(sum ^ 1n)
  const damaged = await verifyReplica(client)
  assert.deepEqual(
    damaged.faults.map(({ kind, file }) => [kind, file.level, file.minTxid]),
    [['damaged', 0, 4]],
  )
  assert.match(
    damaged.faults[0]!.error.message,
    /post-apply checksum of the file is .* but the pages up to this file have/,
  )
  assert.equal(damaged.restorable?.txid, 3)
  await assert.rejects(restore(client, { output, force: true }), { code: 'LTX_CORRUPT' })
})
