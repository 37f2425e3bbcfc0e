// Writes the inputs that the fuzzers begin with, made from a real database, its WAL and its
// replica. usage: seeds.js FOLDER
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Database from 'better-sqlite3'
import { HEADER_SIZE, lockPgno, MAX_COMMIT } from '../../src/ltx/format.js'
import { decodeHeader } from '../../src/ltx/header.js'
import { indexRules } from '../../src/ltx/page-index.js'
import { parseTail } from '../../src/ltx/tail.js'
import { makeLtx } from '../ltx/make.js'
import { lz4Frame } from '../support/lz4-frame.js'

const PAGE_SIZES = [512, 4096, 65536]
/**
 * Pages of a database that become seeds, from its beginning; the b-trees of the schema below have
 * their roots there.
 */
const SEED_PAGES = 24

const SCHEMA = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b REAL, c TEXT, d BLOB);
  CREATE INDEX t_a ON t (a);
  CREATE INDEX t_c ON t (c, b);
  CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  CREATE VIEW v AS SELECT a FROM t;`
const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
  INSERT INTO t SELECT i * i * i, i % 7 - 3, i / 3.0, 'text ' || i, zeroblob(i % 90) FROM n;
  INSERT INTO t VALUES (-1, 9223372036854775807, NULL, hex(zeroblob(40000)), zeroblob(20000));
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
  INSERT INTO w SELECT 'key ' || i, i FROM n;`

interface Example {
  readonly pageSize: number
  readonly commit: number
  /** The database after a checkpoint, page by page. */
  readonly pages: readonly Uint8Array[]
  /** The -wal before it. */
  readonly wal: Uint8Array
}

function example(folder: string, pageSize: number): Example {
  const file = path.join(folder, `${pageSize}.db`)
  const db = new Database(file)
  db.pragma(`page_size = ${pageSize}`)
  db.pragma('journal_mode = WAL')
  db.exec(SCHEMA)
  db.exec(FILL)
  const wal = readFileSync(`${file}-wal`)
  db.pragma('wal_checkpoint(TRUNCATE)')
  const bytes = readFileSync(file)
  db.close()
  const commit = bytes.length / pageSize
  const pages = Array.from({ length: commit }, (_, i) => bytes.subarray(i * pageSize, (i + 1) * pageSize))
  return { pageSize, commit, pages, wal }
}

const u8 = (n: number) => Uint8Array.of(n)
const u32 = (n: number) => new Uint8Array(Uint32Array.of(n).buffer)
const u64 = (n: number) => new Uint8Array(BigUint64Array.of(BigInt(n)).buffer)
const f64 = (n: number) => new Uint8Array(Float64Array.of(n).buffer)
/** The byte that Input::PageSize of targets/input.h reads. */
const size8 = (pageSize: number) => u8(Math.log2(pageSize / 512))

type Put = (target: string, ...parts: readonly Uint8Array[]) => void

function btreeSeeds(put: Put, { pageSize, commit, pages }: Example): void {
  for (const [i, page] of pages.slice(0, SEED_PAGES).entries()) {
    for (const rowid of [1, 27, 8000]) {
      put('btree', size8(pageSize), u8(i === 0 ? 1 : 0), u32(commit), f64(rowid), page)
    }
  }
}

/** Frames of pages, the index over them, and the whole block. */
function ltxSeeds(put: Put, { pageSize, commit, pages }: Example): void {
  const some = new Map(pages.slice(0, SEED_PAGES).map((page, i) => [i + 1, page]))
  const snapshot = makeLtx({ pageSize, commit: some.size, minTxid: 1, maxTxid: 1 }, some)
  const increment = makeLtx(
    { pageSize, commit, minTxid: 2, maxTxid: 9 },
    new Map([...some].filter(([i]) => i % 3 === 0)),
  )
  const blocks: Uint8Array[] = []
  for (const file of [snapshot, increment]) {
    const header = decodeHeader(file, 'seed')
    const { indexOffset, indexSize, index } = parseTail(file, file.length, header, 'seed')
    const { completeFrom } = indexRules(header)
    const rules = [size8(pageSize), u32(header.commit), u32(completeFrom), u64(indexOffset)]
    const bytes = file.subarray(indexOffset, indexOffset + indexSize)
    for (const piece of [0, 6, 255]) put('page_index', ...rules, u8(piece), bytes)
    const block = file.subarray(HEADER_SIZE, indexOffset)
    blocks.push(block)
    put('frame_batch', size8(pageSize), u8(15), block)
    for (let i = 0; i < Math.min(index!.count, 6); i++) {
      const frame = file.subarray(index!.offsets[i]!, index!.offsets[i]! + index!.sizes[i]!)
      put('page_frame', size8(pageSize), u8(i & 1), frame)
      put('lz4_block', u32(pageSize), u32(0), frame.subarray(10))
    }
  }
  if (pageSize > 4096) return
  const sizes = blocks.map(({ length }) => u32(length))
  for (const flags of [0x01, 0x05, 0x85]) {
    for (const piece of [1, 255]) {
      put('frame_merger', size8(pageSize), u8(flags), u8(piece), u32(some.size), u32(commit), ...sizes, ...blocks)
    }
  }
}

function legacySeeds(put: Put, { pageSize, pages }: Example): void {
  const header = Uint8Array.of(0, 0, 0, 1, 0, 0)
  for (const page of pages.slice(0, 4)) {
    const frame = lz4Frame(page)
    put('legacy_frame', size8(pageSize), frame)
    put('page_frame', size8(pageSize), u8(0), header, frame)
    put('frame_batch', size8(pageSize), u8(3), header, frame, header)
  }
}

function walSeeds(put: Put, { pageSize, commit, wal }: Example): void {
  const view = new DataView(wal.buffer, wal.byteOffset, wal.length)
  const bigEndian = view.getUint32(0) & 1
  const frames = wal.subarray(32, 32 + 8 * (24 + pageSize))
  for (const flags of [bigEndian, bigEndian | 2]) {
    const generation = [u8(flags), u32(view.getUint32(16)), u32(view.getUint32(20))]
    put(
      'wal_frames',
      size8(pageSize),
      ...generation,
      u32(view.getUint32(24)),
      u32(view.getUint32(28)),
      u8(8),
      u32(commit),
      frames,
    )
  }
}

const URIS = [
  'file:app.db?vfs=litestream&replica_url=s3://bucket/path%3Fa&cache_size=64MiB&at=0000000000000007',
  'file:app.db?replica_id=7&vfs=litestream#fragment',
  'file:x?vfs=litestream-journal&replica_id=4294967297',
  'file:?vfs=litestream&hydration_enabled=1&hydration_path=%00%zz%',
]

/** Writes every seed to FOLDER/TARGET/NUMBER; returns how many there are. */
export function writeSeeds(folder: string): number {
  let count = 0
  const put: Put = (target, ...parts) => {
    mkdirSync(path.join(folder, target), { recursive: true })
    writeFileSync(path.join(folder, target, String(count++)), Buffer.concat(parts))
  }
  const databases = mkdtempSync(path.join(tmpdir(), 'litestream-seeds-'))
  try {
    for (const pageSize of PAGE_SIZES) {
      const one = example(databases, pageSize)
      btreeSeeds(put, one)
      ltxSeeds(put, one)
      legacySeeds(put, one)
      walSeeds(put, one)
      for (const offset of [0, 18, 24, 40, 92]) {
        put('database_header', u32(7), u32(one.commit), u32(1), u8(offset), one.pages[0]!.subarray(offset, 512))
      }
      put('crc64', u64(0), u8(9), one.pages[0]!)
    }
  } finally {
    rmSync(databases, { recursive: true })
  }
  // The index around the lock page, and of the largest database.
  for (const commit of [lockPgno(4096) + 1, MAX_COMMIT]) {
    put(
      'page_index',
      size8(4096),
      u32(commit),
      u32(commit),
      u64(1000),
      u8(0),
      Uint8Array.of(1, 100, 90, 2, 190, 1, 40, 0),
    )
  }
  for (const uri of URIS) put('replica_uri', Buffer.from(uri))
  return count
}

if (process.argv[2] !== undefined && import.meta.filename === process.argv[1]) {
  console.log(`${writeSeeds(process.argv[2])} seeds in ${process.argv[2]}`)
}
