import Database from 'better-sqlite3'
import { openReplica, type Replica } from '../../src/replica/handle/open-replica.js'
import type { ReplicaOptions } from '../../src/replica/options.js'
import { Random } from './random.js'

/** Rows of the table, each on a page of its own. */
export const ROWS = 1000

export const CREATE = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)'
export const INSERT = 'INSERT INTO t VALUES (?, ?)'
/** Parameters: 20 characters, first and last row. */
export const UPDATE = 'UPDATE t SET v = ? || substr(v, 21) WHERE id BETWEEN ? AND ?'

/** A table whose rows each fill a page. */
export function fill(db: Database.Database): void {
  db.exec(CREATE)
  const random = new Random(1)
  const insert = db.prepare(INSERT)
  db.transaction(() => {
    for (let id = 1; id <= ROWS; id++) insert.run(id, random.text(600).padEnd(3500).slice(0, 3500))
  })()
}

/** Makes commits that each change a group of pages. */
export class Updates {
  readonly #db: Database.Database
  readonly #random = new Random(2)

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** The parameters of one update. */
  static parameters(random: Random, pages: number): readonly [string, number, number] {
    const first = 1 + random.below(ROWS - pages)
    return [random.text(8).padEnd(20).slice(0, 20), first, first + pages - 1]
  }

  /** One commit. Returns its milliseconds, from the COMMIT statement on. */
  commit(pages: number): number {
    this.#db.exec('BEGIN IMMEDIATE')
    this.#db.prepare(UPDATE).run(...Updates.parameters(this.#random, pages))
    const start = performance.now()
    this.#db.exec('COMMIT')
    return performance.now() - start
  }

  /** Commits per second. */
  rate(pages: number, count: number): number {
    const start = performance.now()
    for (let i = 0; i < count; i++) this.commit(pages)
    return (count * 1000) / (performance.now() - start)
  }
}

/** A replica without polls meanwhile, and a connection to it. */
export async function openWritten(
  url: string,
  write: ReplicaOptions['write'],
): Promise<{ readonly replica: Replica; readonly db: Database.Database }> {
  const replica = await openReplica(url, { write, pollInterval: '10m' })
  const db = new Database(replica.uri)
  return { replica, db }
}
