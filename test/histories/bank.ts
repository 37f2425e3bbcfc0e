// The database of a history. Each transaction increments the counter, inserts a row with a unique ID
// and the new value of the counter, and moves money between accounts. Each commit is one TXID, so
// the state of TXID t has the counter t - 1: the first TXID creates the tables.
import type Database from 'better-sqlite3'
import type { Random } from '../support/random.js'
import type { Seen } from './log.js'

const ACCOUNTS = 10
export const TOTAL = ACCOUNTS * 100

export function createBank(db: Database.Database): void {
  db.exec(`BEGIN;
    CREATE TABLE counter (n INTEGER NOT NULL); INSERT INTO counter VALUES (0);
    CREATE TABLE ops (id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE);
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE filler (k INTEGER PRIMARY KEY, v BLOB);
    WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${ACCOUNTS})
      INSERT INTO accounts SELECT n, 100 FROM i;
    COMMIT`)
}

/** Makes the changes of one transaction, which has begun. Returns the new value of the counter. */
export function change(db: Database.Database, id: string, random: Random): number {
  const seq = 1 + (db.prepare('SELECT n FROM counter').pluck().get() as number)
  db.prepare('UPDATE counter SET n = ?').run(seq)
  db.prepare('INSERT INTO ops VALUES (?, ?)').run(id, seq)
  const add = db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?')
  for (let i = random.integer(0, 3); i > 0; i--) {
    const amount = random.integer(1, 50)
    add.run(-amount, random.integer(1, ACCOUNTS))
    add.run(amount, random.integer(1, ACCOUNTS))
  }
  // Pages come and go: some commits have many pages, and the freelist changes.
  if (random.chance(0.2)) {
    const put = db.prepare('INSERT OR REPLACE INTO filler VALUES (?, randomblob(?))')
    for (let i = random.integer(1, 8); i > 0; i--) put.run(random.integer(1, 40), random.integer(10, 9000))
  }
  if (random.chance(0.05)) db.prepare('DELETE FROM filler WHERE k % 3 = ?').run(random.integer(0, 2))
  return seq
}

/** Reads the state of one transaction. */
export function look(db: Database.Database, txid: () => number): Seen {
  return db.transaction((): Seen => {
    const value = (sql: string) => db.prepare(sql).pluck().get() as number
    const counter = value('SELECT n FROM counter')
    const rows = value('SELECT count(*) FROM ops')
    const last = value('SELECT coalesce(max(seq), 0) FROM ops')
    return { counter, rows, last, sum: value('SELECT sum(balance) FROM accounts'), txid: txid() }
  })()
}

/** All transactions of a state, by `seq`. */
export function opsOf(db: Database.Database): (readonly [id: string, seq: number])[] {
  return db.prepare('SELECT id, seq FROM ops ORDER BY seq').raw().all() as [string, number][]
}
