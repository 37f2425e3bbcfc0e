import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, type ChainState } from '../../../../src/replica/worker/chain/chain.js'
import { Poller, type PollOutcome } from '../../../../src/replica/worker/chain/poller.js'
import type { LtxFileInfo, ReplicaClient } from '../../../../src/storage/replica-client.js'
import { compactRange } from '../../../support/compact.js'
import { beginAnew, pollerAt } from '../../../support/poller-at.js'
import { makeSource } from '../../../support/replica.js'

/**
 * A real replica whose listing does not show some of its files yet, as that of an eventually
 * consistent store.
 */
function lagging(client: ReplicaClient, hidden: (file: LtxFileInfo) => boolean): ReplicaClient {
  return new Proxy(client, {
    get(target, name) {
      if (name !== 'list') {
        const member = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      }
      return async function* (...args: Parameters<ReplicaClient['list']>) {
        for await (const file of target.list(...args)) if (!hidden(file)) yield file
      }
    },
  })
}

test('a stale listing is reported as stale, and is not taken for a reset, a rollback or a successful poll', async (t) => {
  const { client, history } = await makeSource(t)
  for (let n = 1; n <= 5; n++) await history.commit(`CREATE TABLE t${n} (x)`)
  let shown = 5
  const seen = lagging(client, (file) => file.maxTxid > shown)
  const { signal } = new AbortController()
  const chain = new Chain(seen, signal)
  let state: ChainState = await chain.load()
  const outcomes: PollOutcome[] = []
  const poller = new Poller({
    chain,
    client: seen,
    interval: 3_600_000,
    idleInterval: 3_600_000,
    signal,
    state: () => state,
    onOutcome: (outcome) => {
      outcomes.push(outcome)
      if (outcome.kind === 'advanced') state = outcome.extension.state
    },
  })
  const poll = async () => {
    await poller.pollNow()
    return outcomes.at(-1) as PollOutcome
  }
  assert.equal((await poll()).kind, 'unchanged')
  for (shown of [3, 0]) {
    const outcome = await poll()
    assert.ok(outcome.kind === 'failed' || outcome.kind === 'gap')
    if (outcome.kind === 'failed')
      assert.match(outcome.error.message, /listing of the store omits .* level 0 0000000000000005/)
    assert.equal(state.txid, 5)
  }
  shown = 6
  await history.commit('CREATE TABLE t6 (x)')
  assert.equal((await poll()).kind, 'advanced')
  assert.equal(state.txid, 6)
  // Really gone: that is a reset, once it has been seen three times.
  await client.delete([5, 6].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  assert.equal((await poll()).kind, 'failed')
  assert.equal((await poll()).kind, 'failed')
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'reset')
  assert.equal(outcome.state.txid, 4)
})

test('a reset is detected even if a compacted file from before the reset remains and the new TXIDs are later', async (t) => {
  const source = await makeSource(t)
  for (let n = 1; n <= 3; n++) await source.history.commit(`CREATE TABLE t${n} (x)`)
  const compacted = await compactRange(source, 1, 1, 3)
  await source.client.delete([1, 2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  const { poll } = await pollerAt(source.client)
  assert.equal((await poll()).kind, 'unchanged')
  await beginAnew(t, source, [compacted])
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'reset', JSON.stringify(outcome.kind))
})

test('a reset that happens while the levels are listed is detected', async (t) => {
  const source = await makeSource(t)
  for (let n = 1; n <= 3; n++) await source.history.commit(`CREATE TABLE t${n} (x)`)
  const snapshot = await source.history.snapshot()
  const raw = [1, 2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid }) as LtxFileInfo)
  await source.client.delete(raw)
  let anew: Promise<void> | undefined
  // Level 9 is listed before, the others after.
  const torn = new Proxy(source.client, {
    get(target, name) {
      const member = Reflect.get(target, name, target)
      if (name !== 'list') return typeof member === 'function' ? member.bind(target) : member
      return async function* (...args: Parameters<ReplicaClient['list']>) {
        if (anew === undefined) yield* target.list(...args)
        else if (args[0] === 9) yield snapshot
        else {
          await anew
          yield* target.list(...args)
        }
      }
    },
  })
  const { poll } = await pollerAt(torn)
  anew = beginAnew(t, source, [snapshot])
  const outcome = await poll()
  assert.equal(outcome.kind, 'failed')
})

test('if all known files of a replica are replaced between two polls, the replica is not reported as reset', async (t) => {
  const source = await makeSource(t)
  const { client, history } = source
  for (let n = 1; n <= 3; n++) await history.commit(`CREATE TABLE t${n} (x)`)
  const { poll } = await pollerAt(client)
  await compactRange(source, 1, 1, 2)
  for (let n = 4; n <= 6; n++) await history.commit(`CREATE TABLE t${n} (x)`)
  await history.snapshot()
  await client.delete([1, 2, 3, 4].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'replaced')
  assert.equal(outcome.state.txid, 6)
})

test('a stale listing without the newest compacted file is not taken for a rollback', async (t) => {
  const source = await makeSource(t)
  const { client, history } = source
  for (let n = 1; n <= 3; n++) await history.commit(`CREATE TABLE t${n} (x)`)
  let hidden = true
  const { poll } = await pollerAt(lagging(client, ({ level }) => level === 1 && hidden))
  await compactRange(source, 1, 3, 3)
  await client.delete([{ level: 0, minTxid: 3, maxTxid: 3 }])
  const outcome = await poll()
  assert.ok(outcome.kind === 'failed', outcome.kind)
  assert.match(outcome.error.message, /went back from TXID 0000000000000003 to TXID 0000000000000002/)
  hidden = false
  assert.equal((await poll()).kind, 'moved')
})
