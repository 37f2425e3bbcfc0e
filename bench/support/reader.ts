/** Something that SQL can be run on, one connection of it. Times in milliseconds. */
export interface Reader {
  /** Opens and reads the first row. */
  open(): Promise<number>
  /**
   * Runs a query with each of the parameters; `transaction`: all of them in one read transaction.
   */
  run(sql: string, parameters: readonly (readonly number[])[], options?: RunOptions): Promise<Run>
  close(): Promise<void>
}

export interface RunOptions {
  readonly transaction?: boolean
  /** Also return the rows. */
  readonly rows?: boolean
}

export interface Run {
  /** For all executions together. */
  readonly ms: number
  /** Of the last execution. */
  readonly rows?: readonly (readonly unknown[])[]
}

export const FIRST_ROW = 'SELECT count(*) FROM sqlite_schema'
