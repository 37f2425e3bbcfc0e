import { LitestreamError } from '../../errors.js'
import { native } from '../../native/addon.js'
import type { NativeSource } from '../../native/source-database.js'
import type { Connection, DriverChoice } from '../../sqlite/connection.js'
import { findDriver } from '../../sqlite/find-driver.js'
import { takeSource } from '../../sqlite/take-source.js'
import { parseWalIndex, WAL_INDEX_SIZE, type WalIndex } from '../../wal/wal-index.js'
import { databaseError } from './database-error.js'

/**
 * One of the primary's own connections to the database. A SourceConnection never checkpoints
 * automatically and does not delete the -wal when it closes. A SourceConnection reads the database
 * file and the wal-index through SQLite's own handles. See docs/contributors/invariants.md for the
 * reasons.
 */
export class SourceConnection {
  readonly path: string
  readonly sqlite: Connection
  readonly #source: NativeSource
  readonly #indexBytes = new Uint8Array(WAL_INDEX_SIZE)

  /**
   * `busyTimeout` is the time in milliseconds for which a statement waits for a lock. Throws
   * DATABASE_INVALID, DATABASE_BUSY, ACCESS_DENIED or DRIVER_MISSING.
   */
  constructor(path: string, busyTimeout: number, driver?: DriverChoice) {
    this.path = path
    try {
      this.sqlite = findDriver(driver).open(path, { busyTimeout })
    } catch (error) {
      throw databaseError(error, path, 'opening the database')
    }
    try {
      // SQLite opens the files at the first read. The first read fails if the file is not a
      // database, before the primary changes a file.
      this.sqlite.value('PRAGMA schema_version')
      this.#source = takeSource(this.sqlite)
      // The primary's connections read few pages. If `cache_size` were not 4, SQLite would allocate
      // memory for 20 pages at the first read.
      this.sqlite.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 4; PRAGMA shrink_memory')
    } catch (error) {
      this.sqlite.close()
      throw databaseError(error, path, 'opening the database')
    }
  }

  /** Returns the wal-index, or undefined if no wal-index exists or a writer is changing it. */
  walIndex(): WalIndex | undefined {
    // A writer needs some nanoseconds to write the two copies of the wal-index header. 100 reads of
    // the header take longer than this write.
    for (let i = 0; i < 100; i++) {
      if (!native.sourceWalIndex(this.#source, this.#indexBytes)) return undefined
      const index = parseWalIndex(this.#indexBytes)
      if (index) return index
    }
    return undefined
  }

  /**
   * Fills `out` with the bytes of the database file from `offset` on. Changes in the WAL are not
   * applied.
   */
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

  /** Runs `statement`, and converts SQLite's errors to LitestreamErrors. */
  exec(statement: string, doing: string): void {
    try {
      this.sqlite.exec(statement)
    } catch (error) {
      throw databaseError(error, this.path, doing)
    }
  }

  /**
   * Runs a passive checkpoint on the thread pool. The connection must not be used until the promise
   * of `checkpoint` resolves. The promise resolves with an SQLite result code.
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
