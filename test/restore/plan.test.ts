import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selectFollowing, selectPlan } from '../../src/levels/plan.js'
import type { LtxFileInfo } from '../../src/storage/replica-client.js'

/** Files from "level:min-max", created at their max TXID. */
function levels(...names: string[]): LtxFileInfo[][] {
  const files: LtxFileInfo[][] = Array.from({ length: 10 }, () => [])
  for (const name of names) {
    const [level, min, max = min] = name.split(/[:-]/).map(Number) as [number, number, number?]
    files[level]!.push({ level, minTxid: min, maxTxid: max, size: 1, createdAt: max })
  }
  for (const level of files) level.sort((a, b) => a.minTxid - b.minTxid || a.maxTxid - b.maxTxid)
  return files
}

const names = (plan: readonly LtxFileInfo[]) =>
  plan.map(({ level, minTxid, maxTxid }) => `${level}:${minTxid}-${maxTxid}`)

const cases: [title: string, files: string[], target: object, plan: string[]][] = [
  ['a snapshot alone', ['9:1-5'], {}, ['9:1-5']],
  ['no snapshot, from TXID 1', ['0:1', '0:2', '1:1-2', '0:3'], {}, ['1:1-2', '0:3-3']],
  ['snapshot, level 1 and level 0', ['9:1-5', '1:1-3', '1:4-7', '0:7', '0:8'], {}, ['9:1-5', '1:4-7', '0:8-8']],
  [
    'a level that begins after the snapshot',
    ['9:1-1', '2:2-9', '1:2-5', '1:6-12', '0:13'],
    {},
    ['9:1-1', '2:2-9', '1:6-12', '0:13-13'],
  ],
  ['the longest across levels', ['1:1-3', '2:1-6', '3:1-4', '0:7'], {}, ['2:1-6', '0:7-7']],
  [
    'a gap in a level is filled by a lower one',
    ['9:1-2', '2:3-4', '2:7-8', '1:5-6'],
    {},
    ['9:1-2', '2:3-4', '1:5-6', '2:7-8'],
  ],
  ['duplicates: the higher level', ['1:1-4', '2:1-4', '0:5'], {}, ['2:1-4', '0:5-5']],
  ['overlap within a level', ['1:1-4', '1:3-8', '1:9-9'], {}, ['1:1-4', '1:3-8', '1:9-9']],
  ['the newest snapshot', ['9:1-2', '9:1-6', '0:3', '0:7'], {}, ['9:1-6', '0:7-7']],
  ['a TXID: an older snapshot', ['9:1-2', '9:1-6', '0:3', '0:4', '0:5'], { txid: 4 }, ['9:1-2', '0:3-3', '0:4-4']],
  ['a TXID inside a compacted file', ['9:1-2', '1:3-6'], { txid: 4 }, []],
  ['a TXID beyond the end', ['0:1', '0:2'], { txid: 3 }, []],
  ['a TXID before a gap', ['0:1', '0:2', '0:4'], { txid: 2 }, ['0:1-1', '0:2-2']],
  ['a time between two files: strictly before', ['0:1', '0:2', '0:3'], { timestamp: 3 }, ['0:1-1', '0:2-2']],
  ['a time after the end: the newest', ['9:1-2', '0:3'], { timestamp: 99 }, ['9:1-2', '0:3-3']],
  ['a time before the beginning', ['9:1-2', '0:3'], { timestamp: 1 }, []],
  ['a time, and a gap after it', ['0:1', '0:2', '0:4'], { timestamp: 99 }, ['0:1-1', '0:2-2']],
  ['nothing', [], {}, []],
  ['nothing that begins at TXID 1', ['0:2'], { timestamp: 99 }, []],
]
for (const [title, files, target, plan] of cases) {
  test(`selectPlan selects the expected files: ${title}`, () =>
    assert.deepEqual(names(selectPlan(levels(...files), target)), plan))
}

test('if a replica has a gap before its newest TXID, the error for the restore plan names both ends of the gap', () => {
  assert.throws(() => selectPlan(levels('0:1', '0:2', '0:5')), {
    code: 'LTX_GAP',
    message: /TXID 0000000000000002 can be restored, but the next file of level 0 starts at TXID 0000000000000005/,
  })
  assert.throws(() => selectPlan(levels('0:2')), { code: 'LTX_GAP' })
})

test('if no other files continue from a TXID, selectFollowing continues through a snapshot', () => {
  const following = (after: number, ...files: string[]) => names(selectFollowing(levels(...files), after))
  assert.deepEqual(following(3, '9:1-2', '0:1', '0:2', '0:3'), [])
  assert.deepEqual(following(3, '0:3', '0:4', '0:5'), ['0:4-4', '0:5-5'])
  assert.deepEqual(following(3, '1:2-6', '0:6', '0:7'), ['1:2-6', '0:7-7'])
  assert.deepEqual(following(3, '9:1-6', '0:6', '0:7'), ['9:1-6', '0:7-7'])
  assert.deepEqual(following(7, '9:1-6', '0:6', '0:7'), [])
  assert.deepEqual(following(3, '0:4', '0:6'), ['0:4-4'])
  assert.throws(() => following(4, '0:4', '0:6'), { code: 'LTX_GAP' })
  assert.throws(() => following(4, '9:1-3', '0:6'), { code: 'LTX_GAP' })
})
