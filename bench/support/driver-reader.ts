import Database from 'better-sqlite3'
import { openReplica, type Replica, type ReplicaOptions } from '../../src/index.js'
import { FIRST_ROW, type Reader, type Run, type RunOptions } from './reader.js'

/** Runs queries on an open better-sqlite3 connection. */
export function runOn(
  db: Database.Database,
  sql: string,
  parameters: readonly (readonly number[])[],
  { transaction = false, rows = false }: RunOptions = {},
): Run {
  const statement = db.prepare(sql).raw()
  let last: unknown[] = []
  const start = performance.now()
  if (transaction) db.exec('BEGIN')
  for (const one of parameters) last = statement.all(...one)
  if (transaction) db.exec('COMMIT')
  const ms = performance.now() - start
  return rows ? { ms, rows: last as unknown[][] } : { ms }
}

/** A local SQLite file. */
export class LocalReader implements Reader {
  readonly #file: string
  #db: Database.Database | undefined

  constructor(file: string) {
    this.#file = file
  }

  async open(): Promise<number> {
    const start = performance.now()
    this.#db = new Database(this.#file, { readonly: true })
    this.#db.prepare(FIRST_ROW).get()
    return performance.now() - start
  }

  get db(): Database.Database {
    if (this.#db === undefined) throw new Error(`${this.#file} is not open`)
    return this.#db
  }

  async run(sql: string, parameters: readonly (readonly number[])[], options?: RunOptions): Promise<Run> {
    return runOn(this.db, sql, parameters, options)
  }

  async close(): Promise<void> {
    this.#db?.close()
  }
}

/** A replica of ours, in this process. Closing it drops its cache: the next one is cold. */
export class ReplicaReader implements Reader {
  readonly #url: string
  readonly #options: ReplicaOptions
  #replica: Replica | undefined
  #db: Database.Database | undefined

  constructor(url: string, options: ReplicaOptions = {}) {
    this.#url = url
    this.#options = options
  }

  get replica(): Replica {
    if (this.#replica === undefined) throw new Error(`${this.#url} is not open`)
    return this.#replica
  }

  get db(): Database.Database {
    if (this.#db === undefined) throw new Error(`${this.#url} is not open`)
    return this.#db
  }

  async open(): Promise<number> {
    const start = performance.now()
    this.#replica = await openReplica(this.#url, this.#options)
    this.#db = new Database(this.#replica.uri, { readonly: true })
    this.#db.prepare(FIRST_ROW).get()
    return performance.now() - start
  }

  /** Resolves when the background prefetch after an opening has finished. */
  async settled(): Promise<void> {
    while ((await this.replica.workerStats()).underWay > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  async run(sql: string, parameters: readonly (readonly number[])[], options?: RunOptions): Promise<Run> {
    return runOn(this.db, sql, parameters, options)
  }

  async close(): Promise<void> {
    this.#db?.close()
    await this.#replica?.close()
  }
}
