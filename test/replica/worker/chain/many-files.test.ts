import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain } from '../../../../src/replica/worker/chain/chain.js'
import type { ReplicaClient } from '../../../../src/storage/replica-client.js'
import { makeSource } from '../../../support/replica.js'

test('the opening of a replica with many files uses a bounded number of parallel reads, in the order of the files', async (t) => {
  const { client, history } = await makeSource(t)
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY)')
  const files = 300
  for (let i = 1; i < files; i++) await history.commit('INSERT INTO t DEFAULT VALUES')
  let [reads, underWay, most] = [0, 0, 0]
  const counted = new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (name !== 'read') return typeof member === 'function' ? member.bind(target) : member
      return async (...parameters: Parameters<ReplicaClient['read']>) => {
        reads++
        most = Math.max(most, ++underWay)
        try {
          return await target.read(...parameters)
        } finally {
          underWay--
        }
      }
    },
  })
  const state = await new Chain(counted, new AbortController().signal).load()
  assert.deepEqual([state.txid, reads], [files, files])
  assert.ok(most <= 128, `${most} reads at once`)
})
