import type BetterSqlite3 from 'better-sqlite3'
import { type Connection, DEFAULT_BUSY_TIMEOUT, type Driver, type OpenOptions } from './connection.js'

type Constructor = new (file: string, options: BetterSqlite3.Options) => BetterSqlite3.Database

function connect(db: BetterSqlite3.Database): Connection {
  return {
    driver: 'better-sqlite3',
    get isOpen() {
      return db.open
    },
    exec: (sql) => void db.exec(sql),
    run: (sql, ...parameters) => void db.prepare(sql).run(...parameters),
    value: (sql, ...parameters) =>
      db
        .prepare(sql)
        .pluck()
        .get(...parameters),
    rows: (sql, ...parameters) => db.prepare(sql).all(...parameters) as Record<string, unknown>[],
    query(sql) {
      const statement = db.prepare(sql)
      if (!statement.reader) return { columns: [], rows: () => [] }
      return {
        columns: statement.columns().map(({ name }) => name),
        rows: () => statement.safeIntegers().raw().iterate() as Iterable<unknown[]>,
      }
    },
    drain(sql, parameters) {
      for (const _row of db.prepare(sql).iterate(...parameters));
    },
    loadExtension: (file) => void db.loadExtension(file),
    close: () => void db.close(),
  }
}

/** The driver for a loaded better-sqlite3 module. */
export function betterSqlite3(database: Constructor): Driver {
  return {
    name: 'better-sqlite3',
    open(file: string, { readonly = false, busyTimeout = DEFAULT_BUSY_TIMEOUT }: OpenOptions = {}) {
      const fileMustExist = file !== ':memory:'
      return connect(new database(file, { readonly, fileMustExist, timeout: busyTimeout }))
    },
  }
}
