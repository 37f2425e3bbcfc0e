import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TreeShape } from '../../../../src/replica/worker/pages/tree-shape.js'
import type { ReplicaView } from '../../../../src/replica/worker/pages/view-set.js'
import { Prefetcher } from '../../../../src/replica/worker/prefetch/prefetcher.js'

const view = {
  state: {
    pageSize: 4096,
    commit: 100_000,
    map: { fileOf: () => 1, approximate: (pgno: number) => ({ file: 1, offset: pgno * 3000, size: 3000 }) },
  },
  store: { slots: 100_000, has: () => false },
} as unknown as ReplicaView

/** Root 2 with interior pages 10, 20, 30; each has 100 leaves: 1000.., 2000.., 3000... */
function shape(): TreeShape {
  const tree = new TreeShape()
  tree.learn(2, Uint32Array.of(10, 20, 30))
  for (const parent of [10, 20])
    tree.learn(
      parent,
      Uint32Array.from({ length: 100 }, (_, i) => parent * 100 + i),
    )
  return tree
}

test('in a b-tree of known shape, the prefetcher selects the next pages of a level, or the parent page whose children are unknown', () => {
  const tree = shape()
  assert.deepEqual(tree.following(1098, 1, 3), [1099, 2000, 2001])
  assert.deepEqual(tree.following(2001, -1, 3), [2000, 1099, 1098])
  assert.deepEqual(tree.following(2098, 1, 10), [2099, 30])
  assert.ok(tree.isOutermost(1000, -1) && !tree.isOutermost(2000, -1))
})

test('a look-up in the middle of a b-tree prefetches nothing, but a second look-up on an adjacent leaf prefetches pages', () => {
  const prefetcher = new Prefetcher(shape())
  assert.deepEqual(prefetcher.onMiss(1, view, 1050).pages, [])
  assert.deepEqual(prefetcher.onMiss(1, view, 2010).pages, [], 'another subtree')
  const { pages, trigger } = prefetcher.onMiss(1, view, 1051)
  assert.deepEqual(pages.slice(0, 2), [1052, 1053])
  assert.ok(pages.includes(trigger))
  assert.ok(prefetcher.onTrigger(1, view, trigger).pages.length > pages.length, 'windows grow')
})

test('a scan in descending key order prefetches pages in descending order', () => {
  const prefetcher = new Prefetcher(shape())
  prefetcher.onMiss(1, view, 1050)
  assert.deepEqual(prefetcher.onMiss(1, view, 1049).pages.slice(0, 2), [1048, 1047])
})

test('a scan is recognized when a reader reads the first leaf of a b-tree, whether or not the leaf is resident', () => {
  assert.equal(new Prefetcher(shape()).onMiss(1, view, 1000).pages[0], 1001)
  assert.equal(new Prefetcher(shape()).onTrigger(1, view, 1000).pages[0], 1001)
})

test('a second miss a few leaves after the first miss prefetches the following leaves, if these leaves are close together in the file', () => {
  const up = new Prefetcher(shape())
  assert.deepEqual(up.onMiss(1, view, 1020).pages, [])
  const { pages, kind } = up.onMiss(1, view, 1023)
  assert.equal(kind, 'leaves')
  assert.deepEqual(pages, [1024, 1025, 1026, 1027, 1028, 1029, 1030, 1031, 1032, 1033, 1034, 1035])
  const down = new Prefetcher(shape())
  down.onMiss(1, view, 1080)
  const back = down.onMiss(1, view, 1065).pages
  assert.deepEqual([back[0], back.length], [1064, 32], '96 KiB of one file')
  const far = new Prefetcher(shape())
  far.onMiss(1, view, 1020)
  assert.deepEqual(far.onMiss(1, view, 1037).pages, [])
  const off = new Prefetcher(shape(), new Set())
  off.onMiss(1, view, 1020)
  assert.deepEqual(off.onMiss(1, view, 1023).pages, [])
})

test('many look-ups under one interior page prefetch the other children of this page', () => {
  const prefetcher = new Prefetcher(shape())
  const counts = [0, 20, 40, 60, 80, 10, 30, 50].map((i) => prefetcher.onMiss(1, view, 1005 + i).pages.length)
  assert.deepEqual(counts, [0, 0, 0, 0, 0, 0, 0, 100])
})

test('in a b-tree of unknown shape, the pages with the next page numbers are prefetched until a read skips some of these pages', () => {
  const prefetcher = new Prefetcher(new TreeShape())
  assert.deepEqual(prefetcher.onMiss(1, view, 500).pages, [])
  assert.equal(prefetcher.onMiss(1, view, 501).pages[0], 502)
  assert.deepEqual(prefetcher.onMiss(1, view, 90_000).pages, [])
  assert.deepEqual(prefetcher.onMiss(2, view, 502).pages, [], 'another connection has runs of its own')
})

test('interior pages are prefetched only after look-ups are spread over the whole b-tree', () => {
  const tree = shape()
  tree.learn(
    3,
    Uint32Array.from({ length: 30 }, (_, i) => 5000 + i),
  )
  tree.learn(5000, Uint32Array.of(7000, 7001))
  const prefetcher = new Prefetcher(tree)
  const counts = Array.from({ length: 17 }, (_, i) => prefetcher.onMiss(1, view, 5001 + i).pages.length)
  assert.deepEqual(counts, [...Array(15).fill(0), 30, 0])
})
