import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { LitestreamError } from '../../../../src/errors.js'
import { PAGED_INDEX_SIZE, readFileIndex } from '../../../../src/levels/remote-index.js'
import { formatTxid } from '../../../../src/ltx/txid.js'
import { Chain } from '../../../../src/replica/worker/chain/chain.js'
import { openReplicaClient } from '../../../../src/storage/open.js'
import type { ByteRange, ReplicaClient } from '../../../../src/storage/replica-client.js'
import { cleanUp } from '../../../support/clean-up.js'
import {
  type LargeTable,
  largeTableValue,
  writeLargeSnapshot,
  writeLargeUpdate,
} from '../../../support/large-snapshot.js'
import { Random } from '../../../support/random.js'
import { connect, openTestReplica, value } from '../../../support/replica.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { until } from '../../../support/until.js'

// The page index of this snapshot has more than PAGED_INDEX_SIZE bytes.
const TABLE: LargeTable = { rows: 540_000, pageSize: 512 }
/** IDs of rows that change, in different parts of the file. */
const CHANGED = [1, 777, 100_000, 269_999, 400_001, 540_000]
const changedTable = (txid: number): LargeTable => ({
  ...TABLE,
  value: (id) => (CHANGED.includes(id) ? txid : largeTableValue(id)),
})

let original: string

before(() => {
  original = mkdtempSync(path.join(tmpdir(), 'litestream-large-'))
  writeLargeSnapshot(path.join(original, 'first'), TABLE)
  writeLargeSnapshot(path.join(original, 'second'), { ...changedTable(2), maxTxid: 2 })
})
after(() => rmSync(original, { recursive: true, force: true }))

/** A replica with the snapshot of TXID 1, in a folder of the test's own. */
async function makeReplica(t: TestContext) {
  const folder = path.join(temporaryDirectory(t), 'replica')
  const put = (name: 'first' | 'second') => {
    const from = path.join(original, name, 'ltx', '9')
    mkdirSync(path.join(folder, 'ltx', '9'), { recursive: true })
    for (const file of readdirSync(from)) {
      const to = path.join(folder, 'ltx', '9', file)
      copyFileSync(path.join(from, file), to)
      const seconds = statSync(path.join(from, file)).mtimeMs / 1000
      utimesSync(to, seconds, seconds)
    }
  }
  put('first')
  const url = pathToFileURL(folder).href
  const client = await openReplicaClient(url)
  cleanUp(t, () => client.close())
  const update = (txid: number, ids = CHANGED) => writeLargeUpdate(folder, changedTable(txid), txid, ids)
  const snapshotFile = path.join(folder, 'ltx', '9', readdirSync(path.join(folder, 'ltx', '9'))[0]!)
  return { folder, url, client, put, update, snapshotFile }
}

/** Counts the reads of a client. */
function counted(client: ReplicaClient) {
  const reads: ByteRange[] = []
  let bytes = 0
  const proxy = new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (name !== 'read') return typeof member === 'function' ? member.bind(target) : member
      return async (...parameters: Parameters<ReplicaClient['read']>) => {
        reads.push(parameters[1])
        const result = await target.read(...parameters)
        bytes += result.data.length
        return result
      }
    },
  })
  return { client: proxy, reads, bytes: () => bytes }
}

const lookup = 'SELECT v FROM t WHERE id = ?'

test('the opening of a large snapshot reads two ranges and keeps no position of a page', async (t) => {
  const { client } = await makeReplica(t)
  const count = counted(client)
  const { state, files } = await new Chain(count.client, new AbortController().signal).loadFiles()
  assert.equal(count.reads.length, 2)
  assert.ok(count.bytes() <= 64 * 1024 + 1024 * 1024, `${count.bytes()} bytes`)
  assert.equal(state.map.byteLength, 0)
  const [{ info, frames }] = files
  assert.ok(info.size > PAGED_INDEX_SIZE && frames.length > 100)
  const index = await readFileIndex(client, info)
  assert.equal(index.count, state.commit)
  for (const { pgno, offset, size } of frames) {
    assert.deepEqual([offset, size], [index.offsets[pgno - 1], index.sizes[pgno - 1]])
  }
  const random = new Random(1)
  const pgnos = Array.from({ length: 500 }, () => random.integer(1, state.commit))
  const positions = await state.map.base!.index.positions(pgnos)
  pgnos.forEach((pgno, i) => {
    assert.deepEqual(positions[i], { offset: index.offsets[pgno - 1], size: index.sizes[pgno - 1] })
    assert.deepEqual(state.map.find(pgno), { file: state.map.fileOf(pgno), ...positions[i] })
  })
  // No block is read twice while it is in memory.
  const blocks = Math.ceil(PAGED_INDEX_SIZE / 65536) + 8
  assert.ok(count.reads.length <= 2 + blocks + 64, `${count.reads.length} reads`)
})

test('scattered changes over a large snapshot take memory only for the changed pages', async (t) => {
  const { client, update } = await makeReplica(t)
  const every = (step: number) => Array.from({ length: Math.floor(TABLE.rows / step) }, (_, i) => (i + 1) * step)
  update(2, every(997))
  update(3, every(1999))
  const chain = new Chain(client, new AbortController().signal)
  const { state } = await chain.loadFiles()
  const expected = new Map<number, { file: number; offset: number; size: number }>()
  for (const txid of [2, 3]) {
    const info = await client.stat({ level: 0, minTxid: txid, maxTxid: txid })
    const { pgnos, offsets, sizes } = await readFileIndex(client, info)
    const file = chain.files.ordinal(info)
    for (const [i, pgno] of pgnos.entries()) expected.set(pgno, { file, offset: offsets[i]!, size: sizes[i]! })
  }
  assert.equal(state.map.byteLength, expected.size * 16)
  const base = state.map.base!.file
  for (let pgno = 1; pgno <= state.commit; pgno++) {
    const place = expected.get(pgno)
    if (place) assert.deepEqual(state.map.find(pgno), place)
    else assert.equal(state.map.fileOf(pgno), base)
  }
})

test('a reader of a large snapshot reads the same rows as the snapshot has', async (t) => {
  const { url } = await makeReplica(t)
  const db = connect(t, (await openTestReplica(t, url)).uri)
  const random = new Random(2)
  for (let i = 0; i < 300; i++) {
    const id = random.integer(1, TABLE.rows)
    assert.equal(value(db, lookup, id), largeTableValue(id))
  }
  const [from, to] = [200_000, 205_000]
  let sum = 0
  for (let id = from; id <= to; id++) sum += largeTableValue(id)
  assert.equal(value(db, 'SELECT sum(v) FROM t WHERE id BETWEEN ? AND ?', from, to), sum)
  assert.equal(value(db, 'SELECT max(id) FROM t'), TABLE.rows)
})

test('new L0 files override pages of a large snapshot, and an open transaction and time travel read the earlier pages', async (t) => {
  const { url, update } = await makeReplica(t)
  const replica = await openTestReplica(t, url)
  const [held, db] = [connect(t, replica.uri), connect(t, replica.uri)]
  held.exec('BEGIN')
  assert.equal(value(held, lookup, 5), largeTableValue(5))
  for (const txid of [2, 3]) {
    update(txid)
    await until(`TXID ${txid} is seen`, async () => (await replica.refresh()) === txid)
    for (const id of CHANGED) {
      assert.equal(value(db, lookup, id), txid)
      if (id > 1) assert.equal(value(db, lookup, id - 1), largeTableValue(id - 1))
    }
  }
  for (const id of CHANGED) assert.equal(value(held, lookup, id), largeTableValue(id))
  held.exec('COMMIT')
  for (const txid of [1, 2, 3]) {
    value(db, 'SELECT litestream_set_time(?)', formatTxid(txid))
    for (const id of CHANGED) assert.equal(value(db, lookup, id), txid === 1 ? largeTableValue(id) : txid)
    assert.equal(value(db, lookup, 123_456), largeTableValue(123_456))
  }
})

test('if a newer large snapshot replaces the snapshot, open readers continue with the newer snapshot', async (t) => {
  const { url, put, update, client } = await makeReplica(t)
  update(2)
  const replica = await openTestReplica(t, url, { readAhead: 'none', cacheSize: 1 })
  const [held, db] = [connect(t, replica.uri), connect(t, replica.uri)]
  for (const each of [held, db]) each.pragma('cache_size=5')
  held.exec('BEGIN')
  assert.equal(value(held, lookup, 777), 2)
  update(3, [777, 300_000])
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  put('second')
  await client.delete([
    { level: 9, minTxid: 1, maxTxid: 1 },
    { level: 0, minTxid: 2, maxTxid: 2 },
  ])
  // The transaction at TXID 2 finds all pages in the new snapshot, and the view at TXID 3 moves too.
  for (const id of [1, 777, 100_000, 540_000]) assert.equal(value(held, lookup, id), 2)
  assert.equal(value(held, lookup, 350_000), largeTableValue(350_000))
  for (const [id, expected] of [
    [777, 3],
    [100_000, 2],
    [300_000, largeTableValue(300_000)],
    [450_000, largeTableValue(450_000)],
  ]) {
    assert.equal(value(db, lookup, id), expected, `row ${id}`)
  }
  assert.equal(value(db, 'SELECT litestream_txid()'), formatTxid(3))
})

test('if the L0 file of a TXID was compacted with a later one, its pages are not read from a large snapshot', async (t) => {
  const { folder, url, update, client } = await makeReplica(t)
  update(2)
  const replica = await openTestReplica(t, url, { readAhead: 'none', cacheSize: 1 })
  const held = connect(t, replica.uri)
  held.pragma('cache_size=5')
  held.exec('BEGIN')
  assert.equal(value(held, lookup, 1), 2)
  update(3)
  await until('TXID 3 is seen', async () => (await replica.refresh()) === 3)
  const merged = path.join(folder, 'ltx', '1', `${formatTxid(2)}-${formatTxid(3)}.ltx`)
  mkdirSync(path.dirname(merged), { recursive: true })
  const last = path.join(folder, 'ltx', '0', `${formatTxid(3)}-${formatTxid(3)}.ltx`)
  writeFileSync(merged, withMinTxid(readFileSync(last)))
  utimesSync(merged, statSync(last).mtimeMs / 1000, statSync(last).mtimeMs / 1000)
  await client.delete([2, 3].map((txid) => ({ level: 0, minTxid: txid, maxTxid: txid })))
  // The pages of the L0 file were resident: other pages take their places in the cache.
  for (let id = 5000; id < 5100; id++) value(held, lookup, id)
  for (const id of [99_000, 350_000]) assert.equal(value(held, lookup, id), largeTableValue(id))
  assert.throws(() => value(held, lookup, 100_000), { code: 'SQLITE_IOERR_READ' })
  assert.match(String(value(held, 'SELECT litestream_error()')), /^PAGE_UNAVAILABLE/)
})

test('a damaged block of the page index of a large snapshot fails the reads of its pages with LTX_CORRUPT', async (t) => {
  const { url, snapshotFile } = await makeReplica(t)
  const size = statSync(snapshotFile).size
  const bytes = readFileSync(snapshotFile)
  const indexSize = Number(bytes.readBigUInt64BE(size - 24))
  bytes[size - 24 - Math.floor(indexSize / 2)]! ^= 0x10
  writeFileSync(snapshotFile, bytes)
  const db = connect(t, (await openTestReplica(t, url, { readAhead: 'none' })).uri)
  for (const id of [5, 100_000, 540_000]) assert.equal(value(db, lookup, id), largeTableValue(id))
  assert.throws(() => value(db, lookup, 270_000), { code: 'SQLITE_IOERR_READ' })
  const error = String(value(db, 'SELECT litestream_error()'))
  assert.match(error, /^LTX_CORRUPT: .*level 9 .*: the page index has no consecutive entries .* \(offset \d+\)/)
})

test('a local copy of a large snapshot is complete and has the rows of the newest TXID', async (t) => {
  const { url, update } = await makeReplica(t)
  update(2)
  const replica = await openTestReplica(t, url, { hydrate: true })
  const db = connect(t, replica.uri)
  await until('the local copy is complete', () => replica.stats().hydration === 1)
  assert.equal(value(db, 'SELECT count(*) FROM t'), TABLE.rows)
  for (const id of CHANGED) assert.equal(value(db, lookup, id), 2)
  for (const id of [2, 123_456, 539_999]) assert.equal(value(db, lookup, id), largeTableValue(id))
})

test('a local copy of a large snapshot is not complete if the checksum of the snapshot is wrong', async (t) => {
  const { url, snapshotFile } = await makeReplica(t)
  const bytes = readFileSync(snapshotFile)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(snapshotFile, bytes)
  const replica = await openTestReplica(t, url, { hydrate: path.join(temporaryDirectory(t), 'copy.db') })
  const errors: LitestreamError[] = []
  replica.on('error', (error) => errors.push(error))
  await until('the reader reports the checksum', () => errors.length > 0)
  assert.equal(errors[0]!.code, 'LTX_CORRUPT')
  assert.match(errors[0]!.message, /level 9 .*: the file checksum is [0-9a-f]+, but the bytes have [0-9a-f]+/)
  assert.ok(replica.stats().hydration < 1)
})

/** Changes the min TXID of a file without checksums of the database from 3 to 2. */
function withMinTxid(file: Buffer): Buffer {
  file.writeBigUInt64BE(2n, 16)
  return file
}
