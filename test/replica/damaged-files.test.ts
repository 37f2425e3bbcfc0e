import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { LitestreamError } from '../../src/errors.js'
import { forgedLtx, putLtx } from '../support/forged-ltx.js'
import { connect, openTestReplica, value } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { COUNT_NEW, makeThreeStates, type ThreeStates } from '../support/three-states.js'
import { until } from '../support/until.js'

/** A reader of the first state; what comes next is put into its folder. */
async function readerAt(t: TestContext, states: ThreeStates) {
  const folder = path.join(temporaryDirectory(t), 'replica')
  putLtx(folder, 0, 1, 1, forgedLtx({ pages: states.first }))
  const replica = await openTestReplica(t, pathToFileURL(folder).href)
  const errors: LitestreamError[] = []
  replica.on('error', (error) => errors.push(error))
  const db = connect(t, replica.uri)
  return { folder, replica, errors, count: () => value(db, COUNT_NEW) }
}

for (const [what, level, minTxid, kind] of [
  ['a compacted file', 1, 2n, 'advance'],
  ['a snapshot', 9, 1n, 'gap'],
] as const) {
  test(`a damaged file stops a reader, with a report, until ${what} leads around it`, async (t) => {
    const states = makeThreeStates(t)
    const { first, second, third, changed, commit, counts } = states
    const { folder, replica, errors, count } = await readerAt(t, states)
    const events: string[] = []
    for (const event of ['advance', 'gap', 'reset'] as const) replica.on(event, () => events.push(event))
    // Its index leaves out a page that the transaction changed.
    const lie = forgedLtx({ pages: second, commit, minTxid: 2n, index: (all) => all.slice(0, -1) })
    putLtx(folder, 0, 2, 2, lie)
    putLtx(folder, 0, 3, 3, forgedLtx({ pages: third, commit, minTxid: 3n }))
    await until('the reader reports it twice', () => errors.length > 1)
    for (const { code, message, hint } of errors) {
      assert.equal(code, 'LTX_CORRUPT')
      assert.match(message, /level 0 0000000000000002-0000000000000002\.ltx: the page index ends with the frame before/)
      assert.match(hint, /litestream-ts verify/)
    }
    assert.deepEqual([replica.txid, count(), events], [1, counts[0], []])
    const pages = level === 9 ? first.map((page) => changed.find(([pgno]) => pgno === page[0]) ?? page) : changed
    putLtx(folder, level, Number(minTxid), 3, forgedLtx({ pages, commit, minTxid, maxTxid: 3n }))
    await until('the reader goes on', () => replica.txid === 3)
    assert.equal(count(), counts[2])
    assert.ok(events.includes(kind), events.join())
    assert.ok(!events.includes('reset'))
  })
}

test('a reader that opens over a damaged file reads others, and warns', async (t) => {
  const states = makeThreeStates(t)
  const { first, second, third, changed, commit, counts } = states
  const folder = path.join(temporaryDirectory(t), 'replica')
  putLtx(folder, 0, 1, 1, forgedLtx({ pages: first }))
  putLtx(folder, 0, 2, 2, forgedLtx({ pages: second, commit, minTxid: 2n }))
  putLtx(folder, 0, 3, 3, forgedLtx({ pages: third, commit, minTxid: 3n }))
  const lie = forgedLtx({ pages: changed, commit, minTxid: 2n, maxTxid: 3n, index: () => [] })
  putLtx(folder, 1, 2, 3, lie)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const replica = await openTestReplica(t, pathToFileURL(folder).href)
  assert.equal(value(connect(t, replica.uri), COUNT_NEW), counts[2])
  await until('the process warns', () => warnings.some(({ message }) => /level 1 .*the page block at/.test(message)))
})

test('a commit that no page stands for does not keep the replicas beside it waiting', async (t) => {
  const states = makeThreeStates(t)
  const { first, second, commit, counts } = states
  const beside = await readerAt(t, states)
  const liar = await readerAt(t, states)
  for (const claim of [2 ** 27, 2 ** 32 - 2]) {
    putLtx(liar.folder, 0, 2, 2, forgedLtx({ pages: [first[0]!], commit: claim, minTxid: 2n }))
    const reported = liar.errors.length
    await until('it is reported', () => liar.errors.length > reported)
    assert.match(
      liar.errors.at(-1)!.message,
      new RegExp(`page ${commit + 1} is missing: the database has ${claim} pages`),
    )
  }
  putLtx(beside.folder, 0, 2, 2, forgedLtx({ pages: second, commit, minTxid: 2n }))
  await until('the replica beside it advances', () => beside.replica.txid === 2)
  assert.deepEqual([beside.count(), beside.errors, liar.count()], [counts[1], [], counts[0]])
})
