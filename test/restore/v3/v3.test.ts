import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { native } from '../../../src/native/addon.js'
import { XXH32_STATE_SIZE } from '../../../src/native/lz4-frame.js'
import { restore } from '../../../src/restore/restore.js'
import { decodeLz4Frames } from '../../../src/restore/v3/lz4-frames.js'
import { openReplicaClient } from '../../../src/storage/open.js'
import { run } from '../../cli/run.js'
import { pieces } from '../../ltx/make.js'
import { collect } from '../../support/collect.js'
import { History } from '../../support/history.js'
import { lz4Frame } from '../../support/lz4-frame.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const HOUR = 3600_000
const START = Date.UTC(2024, 0, 1)

/** A real database in WAL mode whose states are written the way Litestream 0.3 wrote them. */
class V3Writer {
  readonly #root: string
  readonly file: string
  readonly db: Database.Database
  generation = '00000000000000aa'
  #index = 0
  #offset = 0
  time = START
  /** The rows of the only table, by time. */
  readonly states = new Map<number, number>()

  constructor(dir: string, t: TestContext) {
    this.#root = path.join(dir, 'replica')
    this.file = path.join(dir, 'app.db')
    this.db = new Database(this.file)
    this.db.pragma('journal_mode=wal')
    this.db.pragma('wal_autocheckpoint=0')
    this.db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
    this.db.pragma('wal_checkpoint(TRUNCATE)')
    t.after(() => this.db.close())
  }

  name(kind: 'snapshots' | 'wal', rest: string): string {
    return path.join(this.#root, 'generations', this.generation, kind, rest)
  }

  #put(file: string, data: Uint8Array): void {
    this.time += HOUR
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, lz4Frame(data))
    utimesSync(file, this.time / 1000, this.time / 1000)
    this.states.set(this.time, this.db.prepare('SELECT count(*) FROM t').pluck().get() as number)
  }

  snapshot(): void {
    this.#put(this.name('snapshots', `${hex(this.#index)}.snapshot.lz4`), readFileSync(this.file))
  }

  /** Commits some rows and writes what the WAL got, as one segment. */
  commit(rows = 50): string {
    this.db.exec(
      `INSERT INTO t (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<${rows}) SELECT hex(randomblob(150)) FROM n`,
    )
    const wal = readFileSync(`${this.file}-wal`)
    const name = this.name('wal', `${hex(this.#index)}_${hex(this.#offset)}.wal.lz4`)
    this.#put(name, wal.subarray(this.#offset))
    this.#offset = wal.length
    return name
  }

  /** The WAL restarts: the next index. */
  checkpoint(): void {
    this.db.pragma('wal_checkpoint(TRUNCATE)')
    this.#index++
    this.#offset = 0
  }

  startOver(generation: string): void {
    this.checkpoint()
    this.generation = generation
    this.#index = 0
  }
}

function hex(n: number): string {
  return n.toString(16).padStart(8, '0')
}

function rowsOf(file: string): number {
  const db = new Database(file)
  try {
    assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
    return db.prepare('SELECT count(*) FROM t').pluck().get() as number
  } finally {
    db.close()
  }
}

async function fixture(t: TestContext) {
  const dir = temporaryDirectory(t)
  const client = await openReplicaClient(`file://${dir}/replica`)
  return { dir, client, writer: new V3Writer(dir, t), output: path.join(dir, 'restored', 'app.db') }
}

test('xxHash32 has the published check values', () => {
  const state = new Uint8Array(XXH32_STATE_SIZE)
  assert.equal(native.xxh32(state), 0x02cc5d05)
  assert.equal(native.xxh32(state, Buffer.from('abc')), 0x32d153ff)
})

test('LZ4 frames are decoded both alone and in sequence, and damaged LZ4 frames are refused', async () => {
  const data = Buffer.concat(Array.from({ length: 30_000 }, (_, i) => Buffer.from(`row ${i * 7} `)))
  const frame = lz4Frame(data)
  assert.ok(frame.length < data.length)
  const decode = async (bytes: Uint8Array, cuts: number[] = []) =>
    Buffer.concat(await collect(decodeLz4Frames(pieces(bytes, cuts), 'x')))
  assert.equal(Buffer.compare(await decode(frame, [3, 100, 70_000]), data), 0)
  const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex')
  assert.equal(Buffer.compare(await decode(Buffer.concat([frame, skippable, frame])), Buffer.concat([data, data])), 0)
  for (let i = 0; i < frame.length; i += 97) {
    const bad = Buffer.from(frame)
    bad[i]! ^= 1
    await assert.rejects(decode(bad), { code: 'LTX_CORRUPT' }, `byte ${i}`)
    if (i > 0) await assert.rejects(decode(frame.subarray(0, i)), { code: 'LTX_CORRUPT' }, `cut at ${i}`)
  }
})

test('a 0.3 snapshot and the WAL files of several indexes are restored to the last commit or to any time', async (t) => {
  const { client, writer, output } = await fixture(t)
  writer.commit()
  writer.checkpoint()
  writer.snapshot()
  for (let index = 0; index < 3; index++) {
    for (let i = 0; i < 3; i++) writer.commit()
    writer.checkpoint()
  }
  writer.snapshot()
  writer.commit()
  const result = await restore(client, { output })
  assert.equal(rowsOf(output), writer.states.get(writer.time))
  assert.deepEqual(
    [result.status, result.txid, result.legacy],
    ['restored', 0, { generation: '00000000000000aa', index: 4 }],
  )
  const from = Math.min(...writer.states.keys()) + HOUR
  for (const [time, rows] of writer.states) {
    if (time < from) continue
    await restore(client, { output, force: true, timestamp: time })
    assert.equal(rowsOf(output), rows, new Date(time).toISOString())
  }
  await assert.rejects(restore(client, { output, force: true, timestamp: START }), { code: 'REPLICA_EMPTY' })
  assert.deepEqual(readdirSync(path.dirname(output)), ['app.db'])
  assert.equal((await restore(client, { output: `${output}2`, dryRun: true })).status, 'planned')
})

test('a restore of a 0.3 backup uses the newest snapshot of any generation, and names missing files', async (t) => {
  const { client, writer, output } = await fixture(t)
  writer.snapshot()
  writer.commit()
  writer.startOver('00000000000000bb')
  writer.snapshot()
  const second = writer.commit()
  writer.commit()
  writer.checkpoint()
  const later = writer.commit()
  writer.checkpoint()
  writer.commit()
  await restore(client, { output })
  assert.equal(rowsOf(output), writer.states.get(writer.time))

  const kept = readFileSync(second)
  rmSync(second)
  await assert.rejects(restore(client, { output, force: true }), /missing WAL segment: index 00000000 begins at offset/)
  writeFileSync(second, kept)
  utimesSync(second, START / 1000, START / 1000)
  rmSync(later)
  await assert.rejects(restore(client, { output, force: true }), /missing WAL index 00000001/)
  writeFileSync(second, lz4Frame(Buffer.from('x')))
  await assert.rejects(restore(client, { output, force: true }), { code: 'LTX_GAP' })
  writeFileSync(second, kept.subarray(0, 500))
  rmSync(path.dirname(later), { recursive: true })
  mkdirSync(path.dirname(later))
  writeFileSync(second, kept.subarray(0, 500))
  await assert.rejects(restore(client, { output, force: true }), { code: 'LTX_CORRUPT', file: /wal\.lz4$/ })
  assert.equal(rowsOf(output), writer.states.get(writer.time))
})

test('verify of a 0.3 backup reads the files that a restore would read, and names the missing and the damaged files', async (t) => {
  const { client, writer, output } = await fixture(t)
  writer.snapshot()
  const first = writer.commit()
  writer.commit()
  writer.checkpoint()
  const later = writer.commit()
  const verify = async () => {
    const { status, stdout } = await run(['verify', '-json', client.url])
    const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { kind: string; error: string }[] }
    assert.equal(status, ok ? 0 : 1)
    return problems.map(({ kind, error }) => `${kind}: ${error}`)
  }
  assert.deepEqual(await verify(), [])
  const snapshot = writer.name('snapshots', '00000000.snapshot.lz4')
  for (const [file, content, problem] of [
    [later, readFileSync(later).subarray(0, 300), /^damaged: .*wal\.lz4/],
    [first, undefined, /^gap: missing WAL segment/],
    [snapshot, lz4Frame(Buffer.alloc(4096)), /^damaged: .*the snapshot is not an SQLite database/],
    [first, lz4Frame(readFileSync(snapshot).subarray(0, 100)), /^gap: missing WAL segment: index 00000000 continues/],
  ] as const) {
    const [kept, { mtime }] = [readFileSync(file), statSync(file)]
    if (content === undefined) rmSync(file)
    else writeFileSync(file, content)
    if (content !== undefined) utimesSync(file, mtime, mtime)
    const [found, ...more] = await verify()
    assert.match(found ?? 'nothing', problem)
    assert.deepEqual(more, [])
    // A snapshot of zeros is no database, but the WAL may hold all pages: SQLite's check after a
    // restore decides.
    if (file !== snapshot) await assert.rejects(restore(client, { output, force: true }), { code: /LTX_(GAP|CORRUPT)/ })
    writeFileSync(file, kept)
    utimesSync(file, mtime, mtime)
  }
  assert.deepEqual(await verify(), [])
})

/** A WAL of one frame with correct checksums: page 1 of `database`, and a commit of `pages` pages. */
function forgedWal(database: Uint8Array, pages: number): Buffer {
  const wal = Buffer.alloc(32 + 24 + 4096)
  const put = (offset: number, ...words: number[]) => {
    for (const [i, word] of words.entries()) wal.writeUInt32BE(word, offset + 4 * i)
  }
  put(0, 0x377f0682, 3007000, 4096, 0, 7, 9)
  const sum = new Uint32Array(2)
  native.walChecksum(false, wal.subarray(0, 24), sum)
  put(24, ...sum)
  put(32, 1, pages, 7, 9)
  wal.set(database.subarray(0, 4096), 56)
  native.walChecksum(false, wal.subarray(32, 40), sum)
  native.walChecksum(false, wal.subarray(56), sum)
  put(48, ...sum)
  return wal
}

test('verify and restore refuse an empty 0.3 snapshot, and a 0.3 WAL with a commit whose pages are missing', async (t) => {
  const { client, writer, output } = await fixture(t)
  writer.snapshot()
  const segment = writer.commit()
  const snapshot = writer.name('snapshots', '00000000.snapshot.lz4')
  const database = readFileSync(writer.file)
  for (const pages of [2 ** 30, 0xfffffffe, 0xffffffff]) {
    writeFileSync(segment, lz4Frame(forgedWal(database, pages)))
    const { status, stdout } = await run(['verify', client.url])
    assert.equal(status, 1)
    assert.match(stdout, new RegExp(`wal\\.lz4: the WAL commits a database of ${pages} pages, but has only 1 frames`))
    await assert.rejects(restore(client, { output }), { code: 'LTX_CORRUPT', file: /wal\.lz4$/ })
  }
  // SQLite ignores a -wal without a valid header.
  const header = forgedWal(database, 2)
  header[20]! ^= 1
  for (const wal of [Buffer.alloc(5000, 7), header]) {
    writeFileSync(segment, lz4Frame(wal))
    assert.match((await run(['verify', client.url])).stdout, /does not begin with a WAL header/)
    await assert.rejects(restore(client, { output }), { code: 'LTX_CORRUPT', file: /wal\.lz4$/ })
  }
  rmSync(segment)
  writeFileSync(snapshot, lz4Frame(Buffer.alloc(0)))
  assert.equal((await run(['verify', client.url])).status, 1)
  await assert.rejects(restore(client, { output }), { code: 'LTX_CORRUPT', message: /is not a valid SQLite database/ })
})

test('if a URL has a 0.3 backup and an LTX replica, restore uses the format with the newest data, or the one that covers the timestamp', async (t) => {
  const { dir, client, writer, output } = await fixture(t)
  writer.snapshot()
  writer.commit()
  const between = writer.time + 1
  const history = new History(path.join(dir, 'new.db'), client)
  t.after(() => history.close())
  history.time = writer.time + HOUR
  await history.commit('CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)')
  assert.equal((await restore(client, { output })).txid, 1)
  assert.equal(rowsOf(output), 1)
  const old = await restore(client, { output, force: true, timestamp: between })
  assert.equal(old.legacy?.index, 0)
  assert.equal(rowsOf(output), 50)
  assert.equal((await restore(client, { output, force: true, timestamp: history.time + 1 })).txid, 1)
  // The user went back to 0.3.
  writer.time = history.time + HOUR
  writer.commit()
  await restore(client, { output, force: true })
  assert.equal(rowsOf(output), 100)
  assert.equal((await restore(client, { output, force: true, txid: 1 })).txid, 1)
  assert.equal(execFileSync('/usr/bin/sqlite3', [output, 'SELECT count(*) FROM t']).toString(), '1\n')
})
