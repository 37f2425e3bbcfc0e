// Changes of a replica between two polls, and between the listings of one poll, must not be
// misinterpreted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTxid } from '../../../../src/ltx/txid.js'
import type { LtxFileInfo } from '../../../../src/storage/replica-client.js'
import { compactRange } from '../../../support/compact.js'
import { beginAnew, listening, pollerAt } from '../../../support/poller-at.js'
import { connect, makeSource, openTestReplica, type Source, value } from '../../../support/replica.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'

/** Commits of one table each, `from` to `to`. */
async function commitTables({ history }: Source, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await history.commit(`CREATE TABLE t${n} (x); INSERT INTO t${n} VALUES (${n})`)
}

/** What was committed is in a file of level 1, and no longer in level 0. */
async function compactAway(source: Source, from: number, to: number): Promise<LtxFileInfo> {
  const compacted = await compactRange(source, 1, from, to)
  const txids = Array.from({ length: to - from + 1 }, (_, i) => from + i)
  await source.client.delete(txids.map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  return compacted
}

test('a commit that is made while the poller loads a state from compacted files does not become part of that state', async (t) => {
  const source = await makeSource(t)
  await commitTables(source, 1, 1)
  await source.history.snapshot()
  await commitTables(source, 2, 3)
  let looks = 0
  const client = listening(source.client, async (level) => {
    // Level 9 is listed once with every level.
    if (level === 9 && ++looks === 3) await commitTables(source, 4, 4)
  })
  const { poll } = await pollerAt(client)
  assert.equal(looks, 1)
  await compactAway(source, 1, 3)
  const outcome = await poll()
  assert.equal(looks, 2, 'what was listed is what the state is made of')
  assert.ok(outcome.kind === 'moved')
  assert.deepEqual([outcome.state.txid, outcome.state.anchor.level], [3, 1])
})

test('even if a time-travelling connection has already read files from after a reset, the next poll detects the reset', async (t) => {
  const source = await makeSource(t)
  await commitTables(source, 1, 3)
  const { chain, poll } = await pollerAt(source.client)
  await beginAnew(
    t,
    source,
    [1, 2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid }) as LtxFileInfo),
  )
  assert.equal((await chain.load({ txid: 2 })).txid, 2)
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'reset', outcome.kind)
})

test('a reader continues after files were written, compacted and removed between two polls, even if its own last file is a compacted file', async (t) => {
  const source = await makeSource(t)
  await commitTables(source, 1, 3)
  await compactAway(source, 1, 3)
  const { poll } = await pollerAt(source.client)
  assert.equal((await poll()).kind, 'unchanged')
  await commitTables(source, 4, 6)
  await compactAway(source, 4, 6)
  const outcome = await poll()
  assert.ok(outcome.kind === 'advanced', outcome.kind)
  assert.equal(outcome.extension.state.txid, 6)
})

test('if the file after a gap is compacted before the next poll, the reader still reports the gap', async (t) => {
  const source = await makeSource(t)
  await commitTables(source, 1, 3)
  await compactAway(source, 1, 3)
  const { poll } = await pollerAt(source.client, 3_600_000)
  await commitTables(source, 4, 5)
  await source.client.delete([{ level: 0, minTxid: 4, maxTxid: 4 }])
  assert.equal((await poll()).kind, 'gap')
  await compactAway(source, 5, 5)
  assert.equal((await poll()).kind, 'gap')
})

test('after a compacted file was read, a reset to fewer TXIDs is detected', async (t) => {
  const source = await makeSource(t)
  await commitTables(source, 1, 3)
  const compacted = await compactAway(source, 1, 3)
  const { poll } = await pollerAt(source.client)
  await source.client.delete([compacted])
  await source.history.restart('CREATE TABLE other (x)')
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'reset', outcome.kind)
})

test('if a replica was reset, a connection that travels to a TXID does not read the database that had this TXID before the reset', async (t) => {
  // A store without a watch: no poll is triggered.
  const source = await makeSource(t, { url: s3Url(await s3Bucket(t)) })
  const { url, history, client } = source
  await commitTables(source, 1, 2)
  const replica = await openTestReplica(t, url, { pollInterval: 3_600_000 })
  const db = connect(t, replica.uri)
  await client.delete([1, 2].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  await history.restart('CREATE TABLE other (x)')
  await history.commit('INSERT INTO other VALUES (1)')
  assert.equal(value(db, 'SELECT count(*) FROM t2'), 1)
  value(db, 'SELECT litestream_set_time(?)', formatTxid(2))
  assert.equal(value(db, 'SELECT count(*) FROM other'), 1)
})
