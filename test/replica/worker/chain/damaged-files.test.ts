import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import type { LitestreamError } from '../../../../src/errors.js'
import { type Forged, forgedLtx, pagesOf, putLtx } from '../../../support/forged-ltx.js'
import { connect, openTestReplica, value } from '../../../support/replica.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { COUNT_NEW, makeThreeStates, type ThreeStates } from '../../../support/three-states.js'
import { until } from '../../../support/until.js'

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
  test(`if a file is damaged, a reader reports the file and stays at its TXID until ${what} replaces the file`, async (t) => {
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
      assert.match(
        message,
        /level 0 0000000000000002-0000000000000002\.ltx: the last frame of the page index ends before/,
      )
      assert.match(hint, /litestream-ts verify/)
    }
    assert.deepEqual([replica.txid, count(), events], [1, counts[0], []])
    const pages = level === 9 ? first.map((page) => changed.find(([pgno]) => pgno === page[0]) ?? page) : changed
    putLtx(folder, level, Number(minTxid), 3, forgedLtx({ pages, commit, minTxid, maxTxid: 3n }))
    await until('the reader goes on', () => replica.txid === 3)
    assert.equal(count(), counts[2])
    await until(`the reader reports "${kind}"`, () => events.includes(kind))
    assert.ok(!events.includes('reset'))
  })
}

test('if a file is damaged, a reader that opens the replica reads other files instead, and logs a warning', async (t) => {
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
  await until('the process warns', () =>
    warnings.some(({ message }) => /level 1 .*the page block ends at/.test(message)),
  )
})

test('an invalid database size in a file header does not delay other replicas of the process', async (t) => {
  const states = makeThreeStates(t)
  const { first, second, commit, counts } = states
  const beside = await readerAt(t, states)
  const liar = await readerAt(t, states)
  for (const claim of [2 ** 27, 2 ** 32 - 2]) {
    putLtx(liar.folder, 0, 2, 2, forgedLtx({ pages: [first[0]!], commit: claim, minTxid: 2n }))
    const expected = new RegExp(`page ${commit + 1} is missing: the database has ${claim} pages`)
    await until('it is reported', () => liar.errors.some(({ message }) => expected.test(message)))
  }
  putLtx(beside.folder, 0, 2, 2, forgedLtx({ pages: second, commit, minTxid: 2n }))
  await until('the replica beside it advances', () => beside.replica.txid === 2)
  assert.deepEqual([beside.count(), beside.errors, liar.count()], [counts[1], [], counts[0]])
})

/**
 * A large compacted file whose index has one page under the number of the next: too large to be
 * compared with its frames when its index is read. The raw file with the same TXID is right.
 */
function largeLie(t: TestContext): { readonly folder: string; readonly rows: number } {
  const rows = 600
  const file = path.join(temporaryDirectory(t), 'a.db')
  const db = new Database(file)
  db.pragma('synchronous=off')
  db.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v BLOB); WITH RECURSIVE n(i) AS
    (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO t SELECT i, 1, randomblob(3000) FROM n`)
  const before = pagesOf(readFileSync(file))
  db.exec('UPDATE t SET n = 2 WHERE id % 2 = 0')
  const after = pagesOf(readFileSync(file))
  db.close()
  const pages = after.filter(([, bytes], i) => Buffer.compare(bytes, before[i]![1]) !== 0)
  const folder = path.join(temporaryDirectory(t), 'replica')
  const [commit, minTxid] = [after.length, 2n]
  putLtx(folder, 0, 1, 1, forgedLtx({ pages: before }))
  putLtx(folder, 0, 2, 2, forgedLtx({ pages, commit, minTxid }))
  const middle = pages.findIndex(([pgno], i) => i > pages.length / 2 && pages[i + 1]![0] > pgno + 1)
  assert.ok(middle > 0)
  const index: Forged['index'] = (all) =>
    all.map((entry, i) => (i === middle ? { ...entry, pgno: entry.pgno + 1n } : entry))
  putLtx(folder, 1, 2, 2, forgedLtx({ pages, commit, minTxid, index }))
  return { folder, rows }
}

const SUM = 'SELECT sum(n) FROM t'

test('after a frame of a file contradicts the page index of the file, the reader no longer uses this page index', async (t) => {
  const { folder, rows } = largeLie(t)
  const replica = await openTestReplica(t, pathToFileURL(folder).href)
  const errors: LitestreamError[] = []
  replica.on('error', (error) => errors.push(error))
  const db = connect(t, replica.uri)
  assert.throws(() => value(db, SUM), /disk I\/O error/)
  assert.match(
    String(value(db, 'SELECT litestream_error()')),
    /its frame has page|no set of files in the replica reaches TXID/,
  )
  await until('the state is made of other files', () => {
    try {
      return value(db, SUM) === rows * 1.5
    } catch {
      return false
    }
  })
})

test('while a local copy is filled, a wrong page index is detected, even for pages that no reader needs', async (t) => {
  const { folder, rows } = largeLie(t)
  const copy = path.join(temporaryDirectory(t), 'copy.db')
  const replica = await openTestReplica(t, pathToFileURL(folder).href, { hydrate: copy })
  await replica.whenHydrated()
  assert.equal(value(connect(t, replica.uri), SUM), rows * 1.5)
})
