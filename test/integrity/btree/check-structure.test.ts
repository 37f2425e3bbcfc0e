import assert from 'node:assert/strict'
import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { checkStructure } from '../../../src/integrity/btree/check-structure.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/**
 * Tables and indexes of several levels, overflow chains, a WITHOUT ROWID table, 64-bit rowids, and
 * free pages.
 */
const STEPS = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
  CREATE INDEX i ON t (a);
  CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  CREATE TABLE empty (a UNIQUE);
  WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i<3000)
    INSERT INTO t SELECT i * i * i * i * i, hex(randomblob(i % 90)), zeroblob(i % 50 = 0) FROM n;
  INSERT INTO t VALUES (9223372036854775807, 'last', zeroblob(200000)), (-9223372036854775808, 'first', zeroblob(70000));
  INSERT INTO w SELECT hex(randomblob(20)), a FROM t;
  INSERT INTO w VALUES (hex(zeroblob(30000)), 1);
  DELETE FROM t WHERE id % 7 = 0;
  DELETE FROM w WHERE k LIKE '%A';
`

function database(t: TestContext, pageSize: number, autoVacuum: string): string {
  const file = path.join(temporaryDirectory(t), 'app.db')
  const db = new Database(file)
  db.pragma(`page_size = ${pageSize}`)
  db.pragma(`auto_vacuum = ${autoVacuum}`)
  db.exec(STEPS)
  db.close()
  return file
}

for (const pageSize of [512, 1024, 4096, 65536]) {
  for (const autoVacuum of ['none', 'incremental']) {
    test(`the structure check finds no faults in an intact database with pages of ${pageSize} bytes and auto_vacuum ${autoVacuum}`, (t) => {
      const file = database(t, pageSize, autoVacuum)
      const db = new Database(file)
      assert.equal(db.pragma('integrity_check', { simple: true }), 'ok')
      assert.notEqual(db.pragma('freelist_count', { simple: true }), 0)
      db.close()
      assert.deepEqual(checkStructure(file), [])
    })
  }
}

test('the structure check finds no faults in an empty file, and finds faults in a truncated file and in a file that is not a database', (t) => {
  const file = path.join(temporaryDirectory(t), 'app.db')
  writeFileSync(file, '')
  assert.deepEqual(checkStructure(file), [])
  writeFileSync(file, 'x'.repeat(4096))
  assert.deepEqual(checkStructure(file), ['the file has no database header'])
  const sound = readFileSync(database(t, 4096, 'none'))
  writeFileSync(file, sound.subarray(0, 5000))
  assert.match(checkStructure(file)[0]!, /5000 bytes are not a multiple of the page size/)
  writeFileSync(file, sound.subarray(0, sound.length - 4096))
  assert.notDeepEqual(checkStructure(file), [])
})

test('if any byte of a b-tree page header or pointer changes, the structure check finds every fault that SQLite reports', (t) => {
  const file = database(t, 1024, 'none')
  const sound = readFileSync(file)
  const copy = `${file}-copy`
  copyFileSync(file, copy)
  const fd = openSync(copy, 'r+')
  t.after(() => closeSync(fd))
  let compared = 0
  // A page's header and first cell pointers, a byte at a time, of pages all over the database.
  const step = Math.ceil(sound.length / 1024 / 50)
  for (let pgno = 2; pgno <= sound.length / 1024; pgno += step) {
    const at = (pgno - 1) * 1024
    for (let byte = 0; byte < 20; byte++) {
      const page = Buffer.from(sound.subarray(at, at + 1024))
      page[byte]! ^= 0x15
      writeSync(fd, page, 0, 1024, at)
      const bySqlite = structuralFaults(copy)
      if (bySqlite.length === 0) continue
      compared++
      assert.notDeepEqual(checkStructure(copy), [], `page ${pgno}, byte ${byte}: SQLite says ${bySqlite[0]}`)
    }
    writeSync(fd, sound, at, 1024, at)
  }
  assert.ok(compared > 300, `${compared} faults`)
})

/** What integrity_check says of b-trees, pages and the freelist. */
function structuralFaults(file: string): string[] {
  const db = new Database(file)
  try {
    const rows = db.pragma('quick_check') as { quick_check: string }[]
    return rows.map((row) => row.quick_check).filter((text) => /^(Tree|Page|Freelist|\*{3})/.test(text))
  } catch {
    return []
  } finally {
    db.close()
  }
}

test('the structure check finds a page that is in two b-trees, a cycle of pages and a wrong freelist', (t) => {
  const file = database(t, 1024, 'none')
  const sound = readFileSync(file)
  const broken = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(sound)
    change(bytes)
    writeFileSync(file, bytes)
    return checkStructure(file)
  }
  const db = new Database(file)
  const roots = db.prepare('SELECT name, rootpage FROM sqlite_schema').raw().all() as [string, number][]
  db.close()
  const root = new Map(roots)
  const page = (name: string) => (root.get(name)! - 1) * 1024
  const onRightChild = (name: string, value: number) => broken((bytes) => bytes.writeUInt32BE(value, page(name) + 8))
  assert.match(onRightChild('t', root.get('t')!)[0]!, /^table t, page \d+ refers to page \d+, which is already in use$/)
  assert.match(onRightChild('t', root.get('i')!).join('\n'), /already in use|b-tree of type/)
  assert.match(onRightChild('t', 0)[0]!, /refers to page 0, but the database has/)
  assert.match(onRightChild('t', 0xffffffff)[0]!, /refers to page 4294967295, but the database has/)
  assert.match(
    broken((bytes) => bytes.writeUInt32BE(1, 36))[0] ?? '',
    /freelist has \d+ pages, but the database header counts 1/,
  )
  assert.match(broken((bytes) => bytes.writeUInt32BE(0, 32))[0] ?? '', /freelist has 0 pages/)
  assert.equal(broken((bytes) => bytes.fill(0, 1024)).length, 10, 'ten faults at most')
})
