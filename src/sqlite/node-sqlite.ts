import { existsSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { type Connection, DEFAULT_BUSY_TIMEOUT, type Driver, type OpenOptions, type Query } from './connection.js'

/**
 * The parts of node:sqlite that this package uses. The types of Node.js 20, with which this project
 * is checked, do not declare node:sqlite.
 */
interface Statement {
  run(...parameters: unknown[]): unknown
  get(...parameters: unknown[]): Record<string, unknown> | undefined
  all(...parameters: unknown[]): Record<string, unknown>[]
  iterate(...parameters: unknown[]): Iterable<unknown>
  setReadBigInts(on: boolean): void
  /** Node.js has `columns` and `setReturnArrays` from version 22.16 on. */
  columns?(): { readonly name: string }[]
  setReturnArrays?(on: boolean): void
}
interface DatabaseSync {
  exec(sql: string): void
  prepare(sql: string): Statement
  loadExtension(file: string): void
  close(): void
}
export interface NodeSqlite {
  readonly DatabaseSync: new (file: string, options: { readOnly: boolean; allowExtension: boolean }) => DatabaseSync
}

function query(db: DatabaseSync, sql: string): Query {
  const statement = db.prepare(sql)
  if (!statement.columns || !statement.setReturnArrays) {
    throw new LitestreamError(
      'DRIVER_MISSING',
      `node:sqlite of Node.js ${process.versions.node} cannot report column names`,
      {
        hint: 'Use Node.js 22.16 or later, or install better-sqlite3.',
      },
    )
  }
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  return {
    columns: statement.columns().map(({ name }) => name),
    rows: () => statement.iterate() as Iterable<unknown[]>,
  }
}

function connect(db: DatabaseSync): Connection {
  let isOpen = true
  return {
    driver: 'node:sqlite',
    get isOpen() {
      return isOpen
    },
    exec: (sql) => db.exec(sql),
    run: (sql, ...parameters) => void db.prepare(sql).run(...parameters),
    value(sql, ...parameters) {
      const row = db.prepare(sql).get(...parameters)
      return row && Object.values(row)[0]
    },
    rows: (sql, ...parameters) => db.prepare(sql).all(...parameters),
    query: (sql) => query(db, sql),
    drain(sql, parameters) {
      for (const _row of db.prepare(sql).iterate(...parameters));
    },
    loadExtension: (file) => db.loadExtension(file),
    close() {
      if (!isOpen) return
      isOpen = false
      db.close()
    },
  }
}

/** The error that better-sqlite3 throws if it cannot open the database file. */
function cannotOpen(): Error {
  return Object.assign(new Error('unable to open database file'), { code: 'SQLITE_CANTOPEN' })
}

/** The driver of this package for a loaded node:sqlite module. */
export function nodeSqlite({ DatabaseSync }: NodeSqlite): Driver {
  return {
    name: 'node:sqlite',
    open(file: string, { readonly = false, busyTimeout = DEFAULT_BUSY_TIMEOUT }: OpenOptions = {}) {
      // node:sqlite would create a missing database file, but better-sqlite3 throws for a missing
      // database file.
      if (!readonly && file !== ':memory:' && !existsSync(file)) throw cannotOpen()
      const db = new DatabaseSync(file, { readOnly: readonly, allowExtension: true })
      try {
        // The constructor of DatabaseSync in Node.js 22.13 does not have the option `timeout`.
        db.exec(`PRAGMA busy_timeout = ${busyTimeout}`)
        return connect(db)
      } catch (error) {
        db.close()
        throw error
      }
    },
  }
}
