/** The SQLite drivers that this package can use. Each driver has its own copy of SQLite. */
export type DriverName = 'better-sqlite3' | 'node:sqlite'

/** In the order in which they are tried. */
export const DRIVER_NAMES: readonly DriverName[] = ['better-sqlite3', 'node:sqlite']

/**
 * A copy of better-sqlite3 that the application has loaded from another place than this package
 * would. Plain data.
 */
export interface DriverModule {
  /** Absolute path of its main file, without symbolic links. */
  readonly module: string
}

/** A driver, and the copy of it that is used. */
export type DriverChoice = DriverName | DriverModule

export interface OpenOptions {
  readonly readonly?: boolean
  /** How long a statement waits for a lock, in milliseconds; default 5000, as in better-sqlite3. */
  readonly busyTimeout?: number
}

export const DEFAULT_BUSY_TIMEOUT = 5000

/** A value that can be bound to a parameter. */
export type Parameter = null | number | bigint | string | Uint8Array

/** A statement whose rows are read one by one as arrays. */
export interface Query {
  /** Names of the columns; empty if the statement returns no rows. */
  readonly columns: readonly string[]
  /** Integers are returned as bigint. */
  rows(): Iterable<unknown[]>
}

/**
 * The part of a driver's connection that this package uses. Methods throw the driver's own errors:
 * sqliteCode() of sqlite-error.ts returns their codes.
 */
export interface Connection {
  readonly driver: DriverName
  readonly isOpen: boolean
  exec(sql: string): void
  run(sql: string, ...parameters: Parameter[]): void
  /** The first column of the first row; undefined if there is no row. */
  value(sql: string, ...parameters: Parameter[]): unknown
  rows(sql: string, ...parameters: Parameter[]): Record<string, unknown>[]
  query(sql: string): Query
  /** Reads and discards all rows. `parameters`: values, or one object for named ones. */
  drain(sql: string, parameters: readonly unknown[]): void
  loadExtension(file: string): void
  close(): void
}

export interface Driver {
  readonly name: DriverName
  /** Opens an existing database, a replica's URI, or `:memory:`. */
  open(file: string, options?: OpenOptions): Connection
}
