/** The SQLite drivers that this package can use. Each driver has its own copy of SQLite. */
export type DriverName = 'better-sqlite3' | 'node:sqlite'

/** The names of all drivers, in the order in which this package tries them. */
export const DRIVER_NAMES: readonly DriverName[] = ['better-sqlite3', 'node:sqlite']

/**
 * A copy of better-sqlite3 that the application has loaded, and that is not the copy that
 * litestream-ts would load. A DriverModule is plain data that can be sent to another thread.
 */
export interface DriverModule {
  /** Absolute path of the main file of the copy. The path contains no symbolic links. */
  readonly module: string
}

/** The name of a driver, or a DriverModule for one copy of better-sqlite3. */
export type DriverChoice = DriverName | DriverModule

export interface OpenOptions {
  readonly readonly?: boolean
  /**
   * How long a statement waits for a lock, in milliseconds (default 5000, as in better-sqlite3).
   */
  readonly busyTimeout?: number
}

export const DEFAULT_BUSY_TIMEOUT = 5000

/** A value that can be bound to a parameter. */
export type Parameter = null | number | bigint | string | Uint8Array

/** A statement whose rows are read one by one as arrays. */
export interface Query {
  /**
   * Names of the columns of the statement's rows. `columns` is empty if the statement has no result
   * columns.
   */
  readonly columns: readonly string[]
  /** Returns the rows as arrays. Integers in the rows are bigint values. */
  rows(): Iterable<unknown[]>
}

/**
 * The part of a driver's connection that this package uses. The methods throw the errors of the
 * driver. sqliteCode() of sqlite-error.ts returns the SQLite code of a driver's error.
 */
export interface Connection {
  readonly driver: DriverName
  readonly isOpen: boolean
  exec(sql: string): void
  run(sql: string, ...parameters: Parameter[]): void
  /**
   * Returns the first column of the first row. Returns undefined if the statement returns no row.
   */
  value(sql: string, ...parameters: Parameter[]): unknown
  rows(sql: string, ...parameters: Parameter[]): Record<string, unknown>[]
  query(sql: string): Query
  /**
   * Reads and discards all rows of a statement. `parameters` has the values of the parameters, or
   * one object for named parameters.
   */
  drain(sql: string, parameters: readonly unknown[]): void
  loadExtension(file: string): void
  close(): void
}

export interface Driver {
  readonly name: DriverName
  /** Opens a connection to an existing database, to the URI of a replica, or to `:memory:`. */
  open(file: string, options?: OpenOptions): Connection
}
