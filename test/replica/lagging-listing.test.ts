import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, type ChainState } from '../../src/replica/chain/chain.js'
import { Poller, type PollOutcome } from '../../src/replica/chain/poller.js'
import type { LtxFileInfo, ReplicaClient } from '../../src/storage/replica-client.js'
import { makeSource } from '../support/replica.js'

/** A real replica whose listing does not show some of its files yet, as that of an eventually consistent store. */
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

test('a listing that lags behind is told of as such: not a reset, not a way back, not a contact (item 19)', async (t) => {
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
    if (outcome.kind === 'failed') assert.match(outcome.error.message, /listing leaves out 0\/0000000000000005/)
    assert.equal(state.txid, 5)
  }
  shown = 6
  await history.commit('CREATE TABLE t6 (x)')
  assert.equal((await poll()).kind, 'advanced')
  assert.equal(state.txid, 6)
  // Really gone: that is a reset.
  await client.delete([5, 6].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  const outcome = await poll()
  assert.ok(outcome.kind === 'rebuilt' && outcome.reason === 'reset')
  assert.equal(outcome.state.txid, 4)
})
