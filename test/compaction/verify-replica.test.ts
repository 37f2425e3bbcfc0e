import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { compact } from '../../src/compaction/compact.js'
import { createSnapshot } from '../../src/compaction/snapshot.js'
import { verifyReplica } from '../../src/levels/verify-replica.js'
import { formatFileName } from '../../src/ltx/file-name.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { collect } from '../support/collect.js'
import { History } from '../support/history.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('verify reports damage, gaps, and the newest TXID that can be restored', async (t) => {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  const file = (level: number, min: number, max = min) =>
    path.join(dir, 'replica/ltx', `${level}`, formatFileName(min, max))
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  assert.deepEqual([(await verifyReplica(client)).restorable, (await verifyReplica(client)).maxTxid], [undefined, 0])

  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  for (let i = 0; i < 5; i++) await history.commit(`INSERT INTO t (v) VALUES (randomblob(3000))`)
  await compact(client, { level: 1 })
  for (let i = 0; i < 4; i++) await history.commit(`INSERT INTO t (v) VALUES (randomblob(3000))`)
  const sound = await verifyReplica(client)
  assert.deepEqual(sound.faults, [])
  assert.deepEqual(sound.restorable, { txid: 10, timestamp: new Date(history.time) })
  const levels = sound.levels
    .filter(({ files }) => files > 0)
    .map(({ level, files, minTxid, maxTxid }) => [level, files, minTxid, maxTxid])
  assert.deepEqual(levels, [
    [0, 10, 1, 10],
    [1, 1, 2, 6],
    [9, 1, 1, 1],
  ])

  // Damage that another level makes up for, and damage that nothing does.
  const flip = (name: string) => {
    const bytes = readFileSync(name)
    bytes[200]! ^= 1
    writeFileSync(name, bytes)
  }
  flip(file(0, 3))
  const covered = await verifyReplica(client)
  assert.deepEqual(
    covered.faults.map(({ kind, file }) => [kind, file.level, file.minTxid]),
    [['damaged', 0, 3]],
  )
  assert.equal(covered.restorable?.txid, 10)
  flip(file(0, 9))
  assert.equal((await verifyReplica(client)).restorable?.txid, 8)

  rmSync(file(0, 8))
  const gap = await verifyReplica(client)
  assert.deepEqual(gap.faults.map(({ kind, file }) => [kind, file.minTxid]).sort(), [
    ['damaged', 3],
    ['damaged', 9],
    ['gap', 9],
  ])
  assert.deepEqual([gap.restorable?.txid, gap.maxTxid], [7, 10])

  // A file under another's name.
  writeFileSync(file(0, 8), readFileSync(file(0, 7)))
  const misnamed = (await verifyReplica(client)).faults.find(({ file }) => file.minTxid === 8)
  assert.match(misnamed!.error.message, /the header of the file has the TXIDs/)
})

test('a compaction and a snapshot stop at a damaged file or a gap', async (t) => {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  const history = new History(path.join(dir, 'app.db'), client)
  t.after(() => history.close())
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
  for (let i = 0; i < 5; i++) await history.commit(`INSERT INTO t (v) VALUES (randomblob(3000))`)
  const victim = path.join(dir, 'replica/ltx/0', formatFileName(4, 4))
  const good = readFileSync(victim)
  const bad = Buffer.from(good)
  bad[bad.length - 3]! ^= 1
  writeFileSync(victim, bad)
  await assert.rejects(compact(client, { level: 1 }), { code: 'LTX_CORRUPT' })
  await assert.rejects(createSnapshot(client), { code: 'LTX_CORRUPT' })
  rmSync(victim)
  await assert.rejects(createSnapshot(client), { code: 'LTX_GAP' })
  await assert.rejects(compact(client, { level: 1 }), { code: 'LTX_GAP' })
  assert.deepEqual(
    (await collect(client.list(1))).map(({ minTxid, maxTxid }) => [minTxid, maxTxid]),
    [[2, 3]],
  )
  writeFileSync(victim, good)
  assert.equal((await compact(client, { level: 1 })).at(-1)?.maxTxid, 6)
  assert.deepEqual(await compact(client, { level: 1 }), [])
  assert.equal((await createSnapshot(client))?.maxTxid, 6)
  assert.equal(await createSnapshot(client), undefined)
  await assert.rejects(compact(client, { level: 9 }), { code: 'INVALID_ARGUMENT' })
})
