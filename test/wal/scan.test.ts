import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { isLitestreamError } from '../../src/errors.js'
import { newestPages, scanWal } from '../../src/wal/frame-scanner.js'
import { WalFile } from '../../src/wal/wal-file.js'
import { parseWalHeader, walSize } from '../../src/wal/wal-header.js'
import { startOf } from '../../src/wal/wal-position.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const PAGE = 1024
const ALL = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }

/** A real WAL of twelve transactions, copied while its database is open. */
function realWal(t: TestContext): { file: string; commits: number[] } {
  const dir = temporaryDirectory(t)
  const db = new Database(path.join(dir, 'app.db'))
  t.after(() => db.close())
  db.pragma(`page_size = ${PAGE}`)
  db.pragma('journal_mode = wal')
  db.pragma('wal_autocheckpoint = 0')
  db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)')
  const commits: number[] = []
  const source = path.join(dir, 'app.db-wal')
  const frames = () => (readFileSync(source).length - 32) / (PAGE + 24)
  commits.push(frames())
  for (let i = 0; i < 11; i++) {
    db.exec('INSERT INTO t (v) VALUES (randomblob(1500)), (randomblob(10))')
    commits.push(frames())
  }
  const file = path.join(dir, 'copy-wal')
  copyFileSync(source, file)
  return { file, commits }
}

function scan(t: TestContext, file: string, limits = ALL) {
  const wal = new WalFile(file)
  t.after(() => wal.close())
  const header = wal.header()
  return header ? { wal, header, span: scanWal(wal, header, startOf(header), limits) } : undefined
}

test('in a scan of a real WAL, all frames are valid, and the scan ends with the last checksum', (t) => {
  const { file, commits } = realWal(t)
  const { wal, span } = scan(t, file)!
  assert.equal(span.end.frames, commits.at(-1))
  assert.deepEqual(span.end.checksum, wal.frameHeader(span.end.frames - 1, PAGE)!.checksum)
  assert.equal(wal.frameHeader(span.end.frames, PAGE), undefined)
})

test('if a WAL is cut at any byte, the scan ends at the last commit before the cut', (t) => {
  const { file, commits } = realWal(t)
  const bytes = readFileSync(file)
  for (let size = bytes.length; size >= 0; size -= 97) {
    writeFileSync(file, bytes)
    truncateSync(file, size)
    const whole = Math.floor((size - 32) / (PAGE + 24))
    const expected = commits.findLast((frames) => frames <= whole) ?? 0
    const scanned = scan(t, file)
    assert.equal(scanned?.span.end.frames ?? 0, expected, `cut to ${size} bytes`)
    assert.equal(scanned === undefined, size < 32)
  }
})

test('if any byte of a frame is damaged, the scan ends before the transaction of the frame', (t) => {
  const { file, commits } = realWal(t)
  const bytes = readFileSync(file)
  for (let at = 32; at < bytes.length; at += 61) {
    const damaged = Buffer.from(bytes)
    damaged[at] = damaged[at]! ^ 0x40
    writeFileSync(file, damaged)
    const frame = Math.floor((at - 32) / (PAGE + 24))
    const expected = commits.findLast((frames) => frames <= frame) ?? 0
    assert.equal(scan(t, file)!.span.end.frames, expected, `byte ${at}`)
  }
})

test('a WAL scan stops at the first commit after the requested number of bytes, and the next scan continues from this commit', (t) => {
  const { file, commits } = realWal(t)
  const { wal, header, span } = scan(t, file)!
  for (const bytes of [1, 3 * (PAGE + 24), 10_000]) {
    const ends: number[] = []
    for (let from = startOf(header); ; ) {
      const part = scanWal(wal, header, from, { ...ALL, bytes })
      if (part.end.frames === from.frames) break
      assert.ok((part.end.frames - from.frames) * (PAGE + 24) >= bytes || part.end.frames === commits.at(-1))
      ends.push(part.end.frames)
      from = part.end
    }
    assert.ok(ends.every((frames) => commits.includes(frames)))
    assert.equal(ends.at(-1), span.end.frames)
  }
})

test('a WAL scan reads neither frames beyond its limit nor frames of a transaction that ends beyond the limit', (t) => {
  const { file, commits } = realWal(t)
  for (let frames = 0; frames <= commits.at(-1)!; frames++) {
    const expected = commits.findLast((commit) => commit <= frames) ?? 0
    assert.equal(scan(t, file, { ...ALL, frames })!.span.end.frames, expected)
  }
})

test('a WAL scan returns the newest version of each page up to the last commit, in page order and without the lock page', (t) => {
  const { file } = realWal(t)
  const { span } = scan(t, file)!
  const expected = new Map<number, number>()
  span.pgnos.forEach((pgno, frame) => void expected.set(pgno, frame))
  for (const [commit, lock] of [
    [span.commit, 99_999],
    [5, 99_999],
    [span.commit, 3],
  ] as const) {
    const { pgnos, frames } = newestPages(span, commit, lock)
    const wanted = [...expected].filter(([pgno]) => pgno <= commit && pgno !== lock).sort(([a], [b]) => a - b)
    assert.deepEqual(
      [...pgnos],
      wanted.map(([pgno]) => pgno),
    )
    assert.deepEqual(
      [...frames],
      wanted.map(([, frame]) => frame),
    )
  }
})

test('the WAL reader reads each page at the offset of its frame, and a missing frame is an error', (t) => {
  const { file } = realWal(t)
  const { wal } = scan(t, file)!
  const bytes = readFileSync(file)
  const out = new Uint8Array(2 * PAGE)
  wal.readPages(Uint32Array.of(4, 1), PAGE, out)
  const page = (frame: number) => bytes.subarray(walSize(frame, PAGE) + 24, walSize(frame + 1, PAGE))
  assert.deepEqual(Buffer.from(out), Buffer.concat([page(4), page(1)]))
  assert.throws(
    () => wal.readPages(Uint32Array.of(1, 5000), PAGE, out),
    (error) => isLitestreamError(error, 'WAL_CORRUPT'),
  )
})

test('a short or damaged WAL header counts as missing, and a WAL header of another format is an error', (t) => {
  const { file } = realWal(t)
  const header = readFileSync(file).subarray(0, 32)
  assert.equal(parseWalHeader(header, file)!.pageSize, PAGE)
  assert.equal(parseWalHeader(header.subarray(0, 31), file), undefined)
  for (let at = 12; at < 32; at++) {
    const damaged = Buffer.from(header)
    damaged[at] = damaged[at]! ^ 1
    assert.equal(parseWalHeader(damaged, file), undefined)
  }
  for (const [at, message] of [
    [0, /not a WAL file/],
    [4, /unknown WAL version/],
    [11, /invalid page size/],
  ] as const) {
    const foreign = Buffer.from(header)
    foreign[at] = foreign[at]! ^ 0x10
    assert.throws(
      () => parseWalHeader(foreign, file),
      (error: Error) => {
        assert.match(error.message, message)
        return isLitestreamError(error, 'WAL_CORRUPT')
      },
    )
  }
})
