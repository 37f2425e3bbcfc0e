import type Database from 'better-sqlite3'

/** A database whose schema uses something that only its application has. */
export interface OddSchema {
  readonly name: string
  /** The outcome of a quick and of a full check. */
  readonly quick: 'ok' | 'incomplete' | 'findings'
  readonly full: 'ok' | 'incomplete' | 'findings'
  make(db: Database.Database): void
}

const ROWS = 99

function fill(db: Database.Database, insert: string): void {
  const statement = db.prepare(insert)
  for (let i = 0; i < ROWS; i++) statement.run(`row ${i}`)
}

/**
 * Edits the schema as it is stored, since better-sqlite3 cannot define collations, tokenizers and
 * modules by name.
 */
export function rename(db: Database.Database, from: string, to: string): void {
  db.unsafeMode(true)
  db.pragma('writable_schema = on')
  const { changes } = db.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?)').run(from, to)
  if (changes === 0) throw new Error(`no ${from} in the schema`)
  db.pragma('writable_schema = off')
  db.unsafeMode(false)
}

function withFunction(db: Database.Database, sql: string): void {
  db.function('is_fine', { deterministic: true }, (_value) => 1)
  db.exec(sql)
  fill(db, 'INSERT INTO t (a) VALUES (?)')
}

export const ODD_SCHEMAS: readonly OddSchema[] = [
  {
    name: 'a collation of the application in an index',
    quick: 'incomplete',
    full: 'incomplete',
    make(db) {
      db.exec('CREATE TABLE t (a TEXT COLLATE NOCASE UNIQUE)')
      fill(db, 'INSERT INTO t (a) VALUES (?)')
      rename(db, 'NOCASE', 'LOCALIZED')
    },
  },
  {
    name: 'a collation of the application in the key of a WITHOUT ROWID table',
    quick: 'incomplete',
    full: 'incomplete',
    make(db) {
      db.exec('CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID')
      fill(db, 'INSERT INTO t (a) VALUES (?)')
      rename(db, 'NOCASE', 'LOCALIZED')
    },
  },
  {
    name: 'a function of the application in a CHECK',
    quick: 'incomplete',
    full: 'incomplete',
    make: (db) => withFunction(db, 'CREATE TABLE t (a CHECK (is_fine(a)))'),
  },
  {
    name: 'a function of the application in a generated column with an index',
    quick: 'ok',
    full: 'incomplete',
    make: (db) =>
      withFunction(db, 'CREATE TABLE t (a, b AS (is_fine(a)), c AS (is_fine(a)) STORED); CREATE INDEX i ON t (b)'),
  },
  {
    name: 'a function of the application in an expression index and in a partial one',
    quick: 'ok',
    full: 'incomplete',
    make: (db) =>
      withFunction(
        db,
        'CREATE TABLE t (a); CREATE INDEX i ON t (is_fine(a)); CREATE INDEX j ON t (a) WHERE is_fine(a)',
      ),
  },
  {
    name: 'a tokenizer of the application in a full-text index',
    quick: 'incomplete',
    full: 'incomplete',
    make(db) {
      db.exec("CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('some words')")
      fill(db, 'INSERT INTO t (a) VALUES (?)')
      rename(db, 'fts5(x)', "fts5(x, tokenize='house_made')")
    },
  },
  {
    name: 'a contentless full-text index of version 4',
    quick: 'incomplete',
    full: 'incomplete',
    make(db) {
      db.exec("CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts4(content='', x)")
      db.exec("INSERT INTO f (docid, x) VALUES (1, 'some words')")
      fill(db, 'INSERT INTO t (a) VALUES (?)')
    },
  },
  {
    name: 'a full-text index whose content table has changed without it',
    quick: 'findings',
    full: 'findings',
    make(db) {
      db.exec("CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts4(content='t', a)")
      fill(db, 'INSERT INTO t (a) VALUES (?)')
      db.exec("INSERT INTO f (f) VALUES ('rebuild'); UPDATE t SET a = 'changed' WHERE rowid = 5")
    },
  },
  {
    name: 'a virtual table of a module of the application',
    quick: 'ok',
    full: 'ok',
    make(db) {
      db.exec('CREATE TABLE t (a); CREATE VIRTUAL TABLE v USING rtree(id, low, high)')
      fill(db, 'INSERT INTO t (a) VALUES (?)')
      rename(db, 'USING rtree', 'USING house_made')
    },
  },
]
