import { LitestreamError } from '../../errors.js'
import { native } from '../../native/addon.js'
import type { NativeSource } from '../../native/source-database.js'
import type { Connection, DriverChoice } from '../../sqlite/connection.js'
import { findDriver } from '../../sqlite/find-driver.js'
import { takeSource } from '../../sqlite/take-source.js'
import { parseWalIndex, WAL_INDEX_SIZE, type WalIndex } from '../../wal/wal-index.js'
import { databaseError } from './database-error.js'

/**
 * One of the primary's own connections to the database. The connection never checkpoints
 * automatically, keeps the -wal when it closes, and reads the file and the wal-index through
 * SQLite's handles (docs/contributors/invariants.md says why).
 */
export class SourceConnection {
  readonly path: string
  readonly sqlite: Connection
  readonly #source: NativeSource
  readonly #indexBytes = new Uint8Array(WAL_INDEX_SIZE)

  /**
   * `busyTimeout` in milliseconds. Throws DATABASE_INVALID, DATABASE_BUSY, ACCESS_DENIED or
   * DRIVER_MISSING.
   */
  constructor(path: string, busyTimeout: number, driver?: DriverChoice) {
    this.path = path
    try {
      this.sqlite = findDriver(driver).open(path, { busyTimeout })
    } catch (error) {
      throw databaseError(error, path, 'opening it')
    }
    try {
      // The first read opens the files, so that a file which is not a database is reported before
      // anything is changed.
      this.sqlite.value('PRAGMA schema_version')
      this.#source = takeSource(this.sqlite)
      // This connection reads few pages: without this, SQLite sets aside memory for 20 when the
      // first one is read.
      this.sqlite.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 4; PRAGMA shrink_memory')
    } catch (error) {
      this.sqlite.close()
      throw databaseError(error, path, 'opening it')
    }
  }

  /** Undefined if no wal-index exists, or while a writer is changing it. */
  walIndex(): WalIndex | undefined {
    // A writer needs some nanoseconds between the two copies of the header; 100 attempts take
    // longer than that.
    for (let i = 0; i < 100; i++) {
      if (!native.sourceWalIndex(this.#source, this.#indexBytes)) return undefined
      const index = parseWalIndex(this.#indexBytes)
      if (index) return index
    }
    return undefined
  }

  /** Fills `out` with bytes of the file from `offset` on, without the WAL's changes. */
  readFile(offset: number, out: Uint8Array): void {
    const rc = native.sourceRead(this.#source, offset, out)
    if (rc === 0) return
    throw new LitestreamError(
      'DATABASE_INVALID',
      `${this.path}: reading at offset ${offset} failed with SQLite code ${rc}`,
      {
        file: this.path,
        offset,
        hint: 'Check the system log for disk errors.',
      },
    )
  }

  /** Runs `statement`; converts errors to LitestreamErrors. */
  exec(statement: string, doing: string): void {
    try {
      this.sqlite.exec(statement)
    } catch (error) {
      throw databaseError(error, this.path, doing)
    }
  }

  /**
   * A passive checkpoint on the thread pool; the connection must not be used meanwhile. Resolves
   * with an SQLite result code.
   */
  checkpoint(): Promise<number> {
    return native.sourceCheckpoint(this.#source)
  }

  get inTransaction(): boolean {
    return !native.sourceAutocommit(this.#source)
  }

  close(): void {
    this.sqlite.close()
  }
}
