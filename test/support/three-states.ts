import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { pagesOf } from './forged-ltx.js'
import { temporaryDirectory } from './temporary-directory.js'

export type Page = [pgno: number, bytes: Uint8Array]

/** A database at three TXIDs: all pages of the first, those that changed of the others. */
export interface ThreeStates {
  readonly first: readonly Page[]
  readonly second: readonly Page[]
  readonly third: readonly Page[]
  /** The newest version of each page that changed after the first state. */
  readonly changed: readonly Page[]
  /** Pages of the database, at each of them. */
  readonly commit: number
  /** What `COUNT_NEW` gives at each of them. */
  readonly counts: readonly [number, number, number]
}

export const COUNT_NEW = "SELECT count(*) FROM t WHERE v = 'new'"

export function makeThreeStates(t: TestContext): ThreeStates {
  const file = path.join(temporaryDirectory(t), 'a.db')
  const db = new Database(file)
  db.pragma('synchronous=off')
  db.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS
    (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 899) INSERT INTO t SELECT i, 'row ' || i FROM n`)
  const read = () => pagesOf(readFileSync(file))
  const first = read()
  db.exec("UPDATE t SET v = 'new' WHERE id < 5")
  const second = read()
  db.exec("UPDATE t SET v = 'new' WHERE id > 895")
  const third = read()
  db.close()
  const differing = (now: readonly Page[], before: readonly Page[]) =>
    now.filter(([, bytes], i) => Buffer.compare(bytes, before[i]![1]) !== 0)
  return {
    first,
    second: differing(second, first),
    third: differing(third, second),
    changed: differing(third, first),
    commit: first.length,
    counts: [0, 5, 9],
  }
}
