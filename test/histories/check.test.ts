import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TOTAL } from './bank.js'
import { checkHistory, type RecordedHistory } from './check.js'
import type { Entry, Outcome, Seen } from './log.js'

const state = (txid: number, changes: Partial<Seen> = {}): Seen => ({
  ...{ txid, counter: txid - 1, rows: txid - 1, last: txid - 1, sum: TOTAL },
  ...changes,
})

/** A correct history: a and b commit in turn, c is refused, d is unknown and committed, e is not. */
interface Forged {
  logs: Entry[][]
  txids: number[]
  final: { by: string; seen: Seen; ops: [string, number][] }
  sample: { by: string; seen: Seen; ops: [string, number][] }[]
}

function correct(): Forged {
  const run = (id: string, at: number, outcome: Outcome, seq?: number): Entry[] => [
    { type: 'invoke', id, at },
    { type: 'result', id, at: at + 5, outcome, seq },
  ]
  const read = (connection: string, at: number, seen: Seen): Entry => ({
    ...{ type: 'read', connection, from: at - 1, at, state: seen },
  })
  return {
    logs: [
      [
        ...run('a', 10, 'ok', 1),
        read('1/1', 17, state(2)),
        ...run('c', 30, 'refused', 3),
        { type: 'invoke', id: 'd', at: 40 },
      ],
      [...run('b', 20, 'ok', 2), ...run('e', 60, 'unknown', 4)],
      [read('2/1', 18, state(2)), read('2/1', 28, state(3)), read('2/1', 50, state(4))],
    ],
    txids: [1, 2, 3, 4],
    final: {
      by: 'litestream-ts',
      seen: state(4),
      ops: [
        ['a', 1],
        ['b', 2],
        ['d', 3],
      ],
    },
    sample: [
      {
        by: 'litestream',
        seen: state(3),
        ops: [
          ['a', 1],
          ['b', 2],
        ],
      },
    ],
  }
}

function violationsOf(forge: (history: Forged) => void): readonly string[] {
  const history = correct()
  forge(history)
  return checkHistory(history as RecordedHistory).violations
}

test('the checker finds no violation in a correct history, and counts the history’s transactions', () => {
  const { violations, counts } = checkHistory(correct())
  assert.deepEqual(violations, [])
  assert.deepEqual(counts, {
    ...{ commits: 3, ok: 2, refused: 1, unknown: 2, unknownCommitted: 1 },
    reads: 4,
    restored: 2,
  })
})

/** The read with this place in a log becomes another state. */
const reads = (history: Forged, log: number, index: number, seen: Seen) => {
  const entry = history.logs[log]!.filter(({ type }) => type === 'read')[index] as { state: Seen }
  entry.state = seen
}
const setFinal = (history: Forged, ...ids: string[]) => {
  history.final = { by: 'litestream-ts', seen: state(ids.length + 1), ops: ids.map((id, i) => [id, i + 1]) }
  history.txids = [1, ...ids.map((_, i) => i + 2)]
}

const FORGED: readonly [what: string, forge: (history: Forged) => void, violation: RegExp][] = [
  ['an acknowledged commit is lost', (h) => setFinal(h, 'a', 'd'), /b was acknowledged with seq 2, and is lost/],
  [
    'a lost update: two commits with one seq',
    (h) => setFinal(h, 'a', 'd', 'b'),
    /b wrote seq 2, but the final state has seq 3/,
  ],
  ['a refused transaction is committed', (h) => setFinal(h, 'a', 'b', 'd', 'c'), /c was refused, and is committed/],
  ['a row comes from nowhere', (h) => setFinal(h, 'a', 'b', 'd', 'x'), /has x, which never began/],
  ['a row exists twice', (h) => setFinal(h, 'a', 'b', 'd', 'd'), /an ID twice/],
  [
    'a TXID without a transaction',
    (h) => {
      h.txids.push(5)
    },
    /exactly one L0 file/,
  ],
  [
    'a TXID without a file',
    (h) => {
      h.txids = [1, 2, 4, 4]
    },
    /exactly one L0 file/,
  ],
  [
    'a later transaction comes first',
    (h) => {
      for (const entry of h.logs.flat()) {
        if ((entry.type === 'invoke' || entry.type === 'result') && entry.id === 'a')
          Object.assign(entry, { at: entry.at + 16 })
      }
    },
    /a has seq 1, but began after b with seq 2 was acknowledged/,
  ],
  ['a read mixes two states', (h) => reads(h, 2, 0, state(2, { rows: 2 })), /mixes states: TXID 2, counter 1, 2 rows/],
  ['a read has the TXID of another state', (h) => reads(h, 2, 1, { ...state(2), txid: 3 }), /mixes states: TXID 3/],
  ['a connection goes back', (h) => reads(h, 2, 2, state(2)), /2\/1 read TXID 3, and TXID 2 later/],
  ['a read breaks the sum', (h) => reads(h, 2, 2, state(4, { sum: TOTAL - 1 })), /has the sum 999, not 1000/],
  ['a read sees the future', (h) => reads(h, 2, 0, state(3)), /read b before that transaction began/],
  ['a state that was read is lost', (h) => setFinal(h, 'a', 'b'), /read TXID 4, which was lost later/],
  [
    'a process does not see its own commit',
    (h) => reads(h, 0, 0, state(1)),
    /read counter 0 after its own commit of seq 1/,
  ],
  [
    'a restored state has another transaction',
    (h) => {
      h.sample[0]!.ops = [
        ['a', 1],
        ['d', 2],
      ]
    },
    /TXID 3, restored by litestream, is no prefix/,
  ],
  [
    'a restored state breaks the sum',
    (h) => {
      h.sample[0]!.seen = state(3, { sum: 0 })
    },
    /restored by litestream, has the sum 0/,
  ],
  [
    'a process failed',
    (h) => h.logs.push([{ type: 'fatal', error: 'SQLITE_CORRUPT' }]),
    /a process failed: SQLITE_CORRUPT/,
  ],
  [
    'with a buffer: one TXID has two states',
    (h) => {
      Object.assign(h, { isBuffered: true })
      reads(h, 2, 1, { ...state(2), txid: 3 })
    },
    /TXID 3 has the counters 2 and 1/,
  ],
  [
    'with a buffer: a commit is lost',
    (h) => {
      Object.assign(h, { isBuffered: true })
      setFinal(h, 'a', 'd')
    },
    /b was acknowledged with seq 2, and is lost/,
  ],
]
for (const [what, forge, violation] of FORGED) {
  test(`the checker detects a forged log: ${what}`, () => {
    const violations = violationsOf(forge)
    assert.ok(
      violations.some((one) => violation.test(one)),
      violations.join('\n'),
    )
  })
}
