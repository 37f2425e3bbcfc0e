import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LtxEncoder } from '../../../../src/ltx/encoder.js'
import type { ChainState } from '../../../../src/replica/worker/chain/chain.js'
import { PageStore, pageKey } from '../../../../src/replica/worker/pages/page-store.js'
import { ViewSet } from '../../../../src/replica/worker/pages/view-set.js'
import { mapOf } from '../../../support/page-map.js'

const NO_REPLICA = 2 ** 31

/** A state of three pages, all in one file; 0: in none. */
function state(txid: number, file: number): ChainState {
  const map = mapOf(3, (pgno) => ({ file, offset: pgno * 100, size: 100 }))
  const anchor = { level: 0, minTxid: 1, maxTxid: txid, size: 1000, createdAt: 0 }
  const { header } = new LtxEncoder({ pageSize: 512, commit: 3, minTxid: 1, maxTxid: txid })
  const newest = { header, label: 'newest', postApplyChecksum: 0n }
  return { txid, timestamp: txid, pageSize: 512, commit: 3, peak: 3, map, anchor, newest }
}

test('a file that one view finds for a page does not change the page’s version in another view', () => {
  const views = new ViewSet(NO_REPLICA)
  const store = new PageStore(512, 0)
  const [older, newer] = [state(50, 1), state(58, 2)].map((one) => views.add(one, store, null))
  const [slot] = store.allocate([pageKey(1, 3)])
  views.repoint(older, state(50, 0))
  views.repoint(newer, state(58, 0))
  views.repoint(newer, state(58, 7))
  assert.equal(store.slotOf(pageKey(7, 3)), undefined)
  // The older view's page is still that of the older view.
  assert.equal(store.slotOf(pageKey(1, 3)), slot)
})

test('if a view finds a resident page in another file, the page stays resident', () => {
  const views = new ViewSet(NO_REPLICA)
  const store = new PageStore(512, 0)
  const view = views.add(state(50, 1), store, null)
  const [slot] = store.allocate([pageKey(1, 3)])
  views.repoint(view, state(50, 7))
  assert.equal(store.slotOf(pageKey(7, 3)), slot)
})
