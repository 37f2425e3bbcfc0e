import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TreeShape } from '../../../../src/replica/worker/pages/tree-shape.js'

test("if interior pages are each other's parents, a walk up the b-tree ends", () => {
  const tree = new TreeShape()
  tree.learn(2, Uint32Array.of(3))
  tree.learn(3, Uint32Array.of(2))
  assert.equal(tree.neighbour(2, 1), 0)
  assert.equal(tree.isOutermost(2, -1), false)
  assert.ok(tree.rootOf(2) === 2 || tree.rootOf(2) === 3)
  assert.ok(tree.following(2, 1, 10).length <= 10)
})

test('a walk up a chain of parents stops at the maximum depth of a b-tree', () => {
  const tree = new TreeShape()
  for (let pgno = 2; pgno < 100_000; pgno++) tree.learn(pgno, Uint32Array.of(pgno + 1))
  assert.equal(tree.neighbour(100_000, 1), 0)
  assert.equal(tree.isOutermost(100_000, 1), false)
})

test('if the known pages of a b-tree are near the largest page number, the parent table takes memory only for these pages', () => {
  const tree = new TreeShape()
  const last = 0xfffffffe
  tree.learn(7, Uint32Array.of(2, last))
  assert.equal(tree.parentOf(last), 7)
  assert.equal(tree.parentOf(last - 1), 0)
  assert.deepEqual(tree.following(2, 1, 5), [last])
})

test('the shape of very many pages is forgotten except for the pages used last', () => {
  const tree = new TreeShape()
  const fan = 1024
  const parent = (i: number) => 100_000_000 + i
  for (let i = 0; i < 6000; i++) {
    tree.learn(
      parent(i),
      Uint32Array.from({ length: fan }, (_, child) => 1 + i * fan + child),
    )
    assert.equal(tree.childrenOf(parent(0))?.[0], 1)
  }
  assert.equal(tree.parentOf(1 + 100 * fan), 0)
  assert.equal(tree.childrenOf(parent(100)), undefined)
  assert.equal(tree.parentOf(1 + 5999 * fan), parent(5999))
})
