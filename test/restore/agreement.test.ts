import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { type ReplicaReport, verifyReplica } from '../../src/levels/verify-replica.js'
import { openReplica } from '../../src/replica/handle/open-replica.js'
import { restore } from '../../src/restore/restore.js'
import { openReplicaClient } from '../../src/storage/open.js'
import { type Forged, forgedLtx, putLtx } from '../support/forged-ltx.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { COUNT_NEW, makeThreeStates } from '../support/three-states.js'

// One fault per file: verify, restore and the reader must agree on the use of a replica. All three
// refuse a faulty file or, if other files have the same TXIDs, all three avoid it. None of them
// returns rows of another transaction.

interface Lie {
  readonly what: string
  /** The file of TXIDs `minTxid` to 3 that lies; `honest` is what it would be otherwise. */
  readonly file: (honest: Forged) => Uint8Array
  /** What every message about it says. */
  readonly message: RegExp
  /** Detectable only by reading the whole file. The reader uses pages of the file nevertheless. */
  readonly unseenByRanges?: boolean
}

const flip = (bytes: Buffer, at: number) => {
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x40
  return bytes
}

const LIES: readonly Lie[] = [
  { what: 'an empty file', file: () => new Uint8Array(), message: /has only 0 bytes/ },
  { what: 'a text', file: () => Buffer.from('<html>not found</html>'.repeat(20)), message: /not an LTX file/ },
  { what: 'a file that was cut', file: (honest) => forgedLtx(honest).subarray(0, -30), message: /.ltx: / },
  { what: 'a file with bytes after its end', file: (honest) => Buffer.concat([forgedLtx(honest), Buffer.alloc(64)]), message: /.ltx: / },
  { what: 'unknown flags', file: (honest) => forgedLtx({ ...honest, flags: 6 }), message: /unknown flags/ },
  { what: 'the TXIDs of another file', file: (honest) => forgedLtx({ ...honest, maxTxid: 9n }), message: /the header of the file has the TXIDs/ },
  { what: 'a TXID of 2^53', file: (honest) => forgedLtx({ ...honest, maxTxid: 1n << 53n }), message: /max TXID/ },
  { what: 'a commit of 0', file: (honest) => forgedLtx({ ...honest, commit: 0 }), message: /invalid commit 0/ },
  { what: 'a commit of 2^32-1', file: (honest) => forgedLtx({ ...honest, commit: 2 ** 32 - 1 }), message: /invalid commit/ },
  { what: 'a commit of 2^32-2', file: (honest) => forgedLtx({ ...honest, commit: 2 ** 32 - 2 }), message: /is missing/ },
  { what: 'a commit of one page more', file: (honest) => forgedLtx({ ...honest, commit: honest.commit! + 1 }), message: /is missing/ },
  { what: 'a commit before its pages', file: (honest) => forgedLtx({ ...honest, commit: 1 }), message: /beyond the database of 1 pages/ },
  { what: 'a time that no date has', file: (honest) => forgedLtx({ ...honest, timestamp: 8_640_000_000_000_001n }), message: /invalid timestamp/ },
  { what: 'a WAL size without a WAL', file: (honest) => forgedLtx({ ...honest, walSize: 32n }), message: /WAL size/ },
  { what: 'another page size in its header', file: (honest) => forgedLtx({ ...honest, pageSize: 512 }), message: /.ltx/ },
  {
    what: 'pages of another size',
    file: (honest) => forgedLtx({ ...honest, commit: 9, pages: [[1, new Uint8Array(512)]] }),
    message: /has pages of 512 bytes|is missing|page 1 is not/,
  },
  {
    what: 'a whole database of another page size that is none',
    file: (honest) => forgedLtx({ ...honest, commit: 1, pages: [[1, new Uint8Array(65536)]] }),
    message: /page 1 is not the first page/,
    unseenByRanges: true,
  },
  { what: 'an empty page index', file: (honest) => forgedLtx({ ...honest, index: () => [] }), message: /the page block ends at/ },
  { what: 'an index of fewer pages', file: (honest) => forgedLtx({ ...honest, index: (all) => all.slice(0, -1) }), message: /the page block ends at/ },
  { what: 'an index without its first page', file: (honest) => forgedLtx({ ...honest, index: (all) => all.slice(1) }), message: /the frame before it ends at 100/ },
  {
    what: 'an index with a page twice',
    file: (honest) => forgedLtx({ ...honest, index: (all) => [...all, { ...all.at(-1)! }] }),
    message: /follows page/,
  },
  {
    what: 'an index with the numbers of other pages',
    file: (honest) => forgedLtx({ ...honest, index: (all) => all.map((entry, i) => (i === 1 ? { ...entry, pgno: entry.pgno + 1n } : entry)) }),
    message: /its frame has page|does not match|beyond the database|follows page/,
  },
  {
    what: 'an index in which two frames changed places',
    file: (honest) => forgedLtx({ ...honest, index: ([a, b, ...rest]) => [{ ...a!, offset: b!.offset, size: b!.size }, { ...b!, offset: a!.offset, size: a!.size }, ...rest] }),
    message: /the frame before it ends at/,
  },
  {
    what: 'an index with a frame of another size',
    file: (honest) => forgedLtx({ ...honest, index: (all) => all.map((entry, i) => (i === 0 ? { ...entry, size: entry.size - 1n } : entry)) }),
    message: /.ltx: /,
  },
  { what: 'a wrong length of the index', file: (honest) => forgedLtx({ ...honest, indexLength: 3n }), message: /.ltx: / },
  { what: 'a length of the index beyond 2^53', file: (honest) => forgedLtx({ ...honest, indexLength: (1n << 63n) + 3n }), message: /page index length|length field/ },
  { what: 'a file checksum without its mark', file: (honest) => unmarked(forgedLtx(honest)), message: /checksum/ },
  { what: 'a wrong file checksum', file: (honest) => flip(forgedLtx(honest), -1), message: /file checksum is/, unseenByRanges: true },
  { what: 'a post-apply checksum against its flags', file: (honest) => flip(forgedLtx(honest), -16), message: /post-apply checksum|file checksum/ },
  { what: 'a changed time', file: (honest) => flip(forgedLtx(honest), 39), message: /file checksum is/, unseenByRanges: true },
  { what: 'another node', file: (honest) => flip(forgedLtx(honest), 79), message: /file checksum is/, unseenByRanges: true },
  { what: 'reserved bytes', file: (honest) => flip(forgedLtx(honest), 99), message: /reserved bytes/ },
] // biome-ignore format: a table

/** Without the bit that every stored checksum has. */
function unmarked(bytes: Buffer): Buffer {
  bytes[bytes.length - 8]! &= 0x7f
  return bytes
}

/** What is wrong with a replica, as `litestream-ts verify` decides. */
const isSound = ({ faults, restorable, maxTxid }: ReplicaReport) => faults.length === 0 && restorable?.txid === maxTxid

const refuses = (message: RegExp) => (error: unknown) => {
  assert.ok(isLitestreamError(error), String(error))
  assert.match(error.message, message)
  assert.ok(error.hint)
  return true
}

for (const { what, file, message, unseenByRanges } of LIES) {
  test(`if the newest file has a wrong header or page index, verify, restore and the reader refuse the file: ${what}`, async (t) => {
    const states = makeThreeStates(t)
    const directory = temporaryDirectory(t)
    const replica = path.join(directory, 'replica')
    const { commit } = states
    putLtx(replica, 0, 1, 1, forgedLtx({ pages: states.first }))
    putLtx(replica, 0, 2, 2, forgedLtx({ pages: states.second, commit, minTxid: 2n }))
    putLtx(replica, 0, 3, 3, file({ pages: states.third, commit, minTxid: 3n }))
    const client = await openReplicaClient(pathToFileURL(replica).href)
    const report = await verifyReplica(client)
    assert.equal(report.restorable?.txid, 2)
    assert.match(report.faults.map(({ error }) => error.message).join(), message)
    await assert.rejects(restore(client, { output: path.join(directory, 'restored.db') }), refuses(message))
    const { txid } = await restore(client, { output: path.join(directory, 'second.db'), txid: 2 })
    assert.equal(txid, 2)
    if (unseenByRanges) return
    await assert.rejects(openReplica(client.url, { openTimeout: '2s' }), refuses(message))
  })

  test(`if a compacted file has a wrong header or page index, restore and the reader use other files: ${what}`, async (t) => {
    const states = makeThreeStates(t)
    const directory = temporaryDirectory(t)
    const replica = path.join(directory, 'replica')
    const { commit } = states
    putLtx(replica, 0, 1, 1, forgedLtx({ pages: states.first }))
    putLtx(replica, 0, 2, 2, forgedLtx({ pages: states.second, commit, minTxid: 2n }))
    putLtx(replica, 0, 3, 3, forgedLtx({ pages: states.third, commit, minTxid: 3n }))
    putLtx(replica, 1, 2, 3, file({ pages: states.changed, commit, minTxid: 2n, maxTxid: 3n }))
    const client = await openReplicaClient(pathToFileURL(replica).href)
    const report = await verifyReplica(client)
    assert.equal(isSound(report), false)
    assert.equal(report.restorable?.txid, 3)
    const output = path.join(directory, 'restored.db')
    const result = await restore(client, { output })
    assert.deepEqual(
      result.plan.map(({ level }) => level),
      [0, 0, 0],
    )
    assert.match(result.warnings.join(), message)
    const restored = new Database(output, { readonly: true })
    assert.equal(restored.prepare(COUNT_NEW).pluck().get(), states.counts[2])
    restored.close()
    if (unseenByRanges) return
    const reader = await openReplica(client.url, { openTimeout: '2s' })
    const db = new Database(reader.uri, { readonly: true })
    assert.equal(db.prepare(COUNT_NEW).pluck().get(), states.counts[2])
    db.close()
    await reader.close()
  })
}

test('a file of the snapshot level that begins after TXID 1 is not used as a snapshot', async (t) => {
  const { first, second } = makeThreeStates(t)
  const directory = temporaryDirectory(t)
  const replica = path.join(directory, 'replica')
  putLtx(replica, 0, 1, 1, forgedLtx({ pages: first }))
  putLtx(replica, 9, 2, 2, forgedLtx({ pages: second, commit: first.length, minTxid: 2n }))
  const client = await openReplicaClient(pathToFileURL(replica).href)
  const report = await verifyReplica(client)
  assert.match(report.faults.map(({ error }) => error.message).join(), /a snapshot begins at TXID 1/)
  assert.equal(report.restorable?.txid, 1)
  const { txid } = await restore(client, { output: path.join(directory, 'restored.db') })
  assert.equal(txid, 1)
})

test('if a level lacks a page, verify reports a fault of the level, even if another level has the page', async (t) => {
  const { first } = makeThreeStates(t)
  const replica = path.join(temporaryDirectory(t), 'replica')
  const page = first[0]![1]
  const [commit, grown] = [first.length, first.length + 2]
  putLtx(replica, 9, 1, 5, forgedLtx({ pages: [...first, [commit + 1, page], [grown, page]], maxTxid: 5n }))
  putLtx(replica, 1, 2, 3, forgedLtx({ pages: [first[0]!], commit, minTxid: 2n, maxTxid: 3n }))
  putLtx(replica, 1, 4, 5, forgedLtx({ pages: [[grown, page]], commit: grown, minTxid: 4n, maxTxid: 5n }))
  const client = await openReplicaClient(pathToFileURL(replica).href)
  const { faults, restorable } = await verifyReplica(client)
  assert.equal(restorable?.txid, 5)
  assert.equal(faults.length, 1)
  assert.match(
    faults[0]!.error.message,
    new RegExp(`page ${commit + 1} is missing: .* the database had at most ${commit} pages before`),
  )
})
