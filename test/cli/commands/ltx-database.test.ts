import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { LtxEncoder } from '../../../src/ltx/encoder.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

test('ltx apply restores the database from a file that ltx encode-db wrote, and the database and the file have equal checksums', async (t) => {
  const dir = temporaryDirectory(t)
  const [source, ltx, target] = ['a.db', 'a.ltx', 'b.db'].map((name) => path.join(dir, name)) as [
    string,
    string,
    string,
  ]
  const db = new Database(source)
  db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)')
  db.close()

  const encoded = await run(['ltx', 'encode-db', '-o', ltx, source])
  assert.equal(encoded.status, 0, encoded.stderr)
  assert.equal((await run(['ltx', 'verify', ltx])).status, 0)
  const { checksum, pages } = JSON.parse((await run(['ltx', 'checksum', '-json', source])).stdout)
  assert.match(checksum, /^[89a-f][0-9a-f]{15}$/)
  assert.equal(pages, 2)
  assert.equal((await run(['ltx', 'checksum', source])).stdout, `${checksum}\n`)
  assert.match((await run(['ltx', 'info', '-json', ltx])).stdout, new RegExp(`"post_apply_checksum": ?"${checksum}"`))

  const applied = await run(['ltx', 'apply', '-json', '-db', target, ltx])
  assert.equal(applied.status, 0, applied.stderr)
  assert.deepEqual(JSON.parse(applied.stdout), {
    db_path: target,
    files: 1,
    page_size: 4096,
    pages: 2,
    max_txid: '0000000000000001',
  })
  assert.deepEqual(readFileSync(target), readFileSync(source))
})

test('ltx apply refuses files that do not continue the database, and does not change the database', async (t) => {
  const dir = temporaryDirectory(t)
  const file = (name: string) => path.join(dir, name)
  const ltx = (
    name: string,
    min: number,
    max: number,
    pages: number[],
    pageSize = 512,
    checksums?: [bigint, bigint],
    commit = 2,
  ) => {
    const encoder = new LtxEncoder({
      pageSize,
      commit,
      minTxid: min,
      maxTxid: max,
      ...(checksums ? { flags: 0, preApplyChecksum: checksums[0] } : {}),
    })
    const data = new Uint8Array(pages.length * pageSize).fill(max)
    writeFileSync(
      file(name),
      Buffer.concat([encoder.start(), encoder.pages(Uint32Array.from(pages), data), encoder.finish(checksums?.[1])]),
    )
    return file(name)
  }
  const db = new Database(file('x.db'))
  db.pragma('page_size = 512')
  db.exec('CREATE TABLE t (v)')
  db.close()
  const before = readFileSync(file('x.db'))
  const next = ltx('2', 2, 2, [2])
  const sums: [bigint, bigint] = [1n << 63n, (1n << 63n) | 1n]
  const damaged = file('damaged')
  writeFileSync(damaged, readFileSync(next).fill(7, 120, 130))
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [
      [next, ltx('4', 4, 4, [2])],
      /begins at TXID 0000000000000004, but the file before it ends at TXID 0000000000000002/,
    ],
    [[next, next], /ends at TXID \w+, but the file before it ends at TXID/],
    [[ltx('large', 2, 2, [2], 1024)], /pages of 1024 bytes, but the database has pages of 512/],
    [
      [ltx('sum', 2, 2, [2], 512, sums)],
      /pre-apply checksum of the file is 8000000000000000, but the checksum of the database/,
    ],
    [[damaged], /damaged/],
    [[ltx('grown', 2, 2, [2], 512, undefined, 0xfffffffe)], /page 4294967294 is missing: .* at most 2 pages before/],
    [[next, ltx('hole', 3, 3, [2, 4], 512, undefined, 4)], /page 3 is missing/],
    [[next, file('none')], /no such file/],
  ]
  for (const [files, message] of cases) {
    const result = await run(['ltx', 'apply', '-db', file('x.db'), ...files])
    assert.equal(result.status, 1)
    assert.match(result.stderr, message)
    assert.match(result.stderr, /\nTry: /)
    assert.deepEqual(readFileSync(file('x.db')), before)
  }
  const text = file('text.db')
  writeFileSync(text, 'no database '.repeat(200))
  assert.match(
    (await run(['ltx', 'apply', '-db', text, next])).stderr,
    /^Error: \S+\/text\.db is not a database file: /,
    'not the name of the temporary file',
  )
  const fresh = await run(['ltx', 'apply', '-db', file('new.db'), next])
  assert.match(fresh.stderr, /the database does not exist\nTry: Name a snapshot first/)
  assert.equal(existsSync(file('new.db')), false)
  assert.equal((await run(['ltx', 'apply', '-db', file('x.db'), next, ltx('3', 3, 3, [2])])).status, 0)
  assert.equal(readFileSync(file('x.db'))[600], 3)
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.includes('.tmp')),
    [],
  )
})

test('ltx apply, ltx checksum and ltx encode-db refuse a database that a connection has open or that has changes in its WAL', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'a.db')
  const opened = [file, path.join(dir, 'b.db')].map((name) => new Database(name))
  t.after(() => {
    for (const db of opened) db.close()
  })
  for (const db of opened) {
    db.pragma('journal_mode = WAL')
    db.exec('CREATE TABLE t (v)')
  }
  // Reading a file of an open database would release its locks: only b.db is read.
  const copy = path.join(dir, 'copy.db')
  for (const suffix of ['', '-wal']) writeFileSync(copy + suffix, readFileSync(path.join(dir, `b.db${suffix}`)))
  mkdirSync(path.join(dir, 'folder'))
  const text = path.join(dir, 'text')
  writeFileSync(text, 'no database')
  const ltx = path.join(dir, 'a.ltx')
  for (const [command, database, message] of [
    [['checksum'], file, /is open in another process.*\nTry: Stop the application/],
    [['encode-db', '-o', ltx], file, /is open in another process/],
    [['apply', '-db'], file, /is open in another process/],
    [['checksum'], copy, /copy\.db-wal contains changes that are not in .*\nTry: .*wal_checkpoint/],
    [['encode-db', '-o', ltx], copy, /copy\.db-wal contains changes/],
    [['apply', '-db'], copy, /copy\.db-wal contains changes/],
    [['checksum'], text, /is not a database file/],
    [['checksum'], path.join(dir, 'none'), /no such file/],
    [['checksum'], path.join(dir, 'folder'), /folder/],
  ] as const) {
    const result = await run(['ltx', ...command, database, ...(command[0] === 'apply' ? [ltx] : [])])
    assert.equal(result.status, 1)
    assert.match(result.stderr, message)
    assert.match(result.stderr, /\nTry: /)
  }
  assert.equal(existsSync(ltx), false)
})
