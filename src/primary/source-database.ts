import { realpathSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { sameCommit, type WalIndex } from '../wal/wal-index.js'
import { databaseError } from './database-error.js'
import { bumpSequence, type DatabaseIdentity, ensureTables, identityOf } from './litestream-tables.js'
import { noteOpen } from './open-databases.js'
import { SourceConnection } from './source-connection.js'

export interface CheckpointResult {
  /** Frames in the WAL. */
  readonly frames: number
  /** How many of them are in the database file now. */
  readonly backfilled: number
}

/**
 * The database that is replicated: two connections, one that holds a read transaction for as long as it lives and by that keeps
 * every frame that was committed since (docs/invariants.md), and one for the few writes of the primary's own.
 */
export class SourceDatabase {
  /** Without symbolic links, as SQLite names the -wal after it. */
  readonly path: string
  readonly pageSize: number
  readonly #reader: SourceConnection
  readonly #writer: SourceConnection
  readonly #noLongerOpen: () => void
  #pinned: WalIndex | undefined

  /** Opens the database, turns it to WAL mode and creates Litestream's tables. Pins nothing yet. */
  constructor(path: string, busyTimeout: number) {
    this.path = realpathSync(path)
    this.#noLongerOpen = noteOpen(this.path)
    try {
      this.#writer = new SourceConnection(this.path, busyTimeout)
    } catch (error) {
      this.#noLongerOpen()
      throw error
    }
    try {
      enableWal(this.#writer)
      ensureTables(this.#writer)
      this.#reader = new SourceConnection(this.path, busyTimeout)
      this.pageSize = this.#reader.sqlite.pragma('page_size', { simple: true }) as number
    } catch (error) {
      this.close()
      throw databaseError(error, this.path, 'opening it')
    }
  }

  /** What the wal-index was when the read transaction began; undefined while there is none. */
  get pinned(): WalIndex | undefined {
    return this.#pinned
  }

  /**
   * Begins the read transaction, ending an older one, and returns the state of the WAL that it sees. Throws DATABASE_BUSY when
   * writers never pause long enough to tell which state that is.
   */
  pin(): WalIndex {
    this.unpin()
    for (let attempt = 0; attempt < 1000; attempt++) {
      const before = this.#reader.walIndex()
      this.#reader.exec('BEGIN; SELECT count(*) FROM _litestream_seq', 'beginning a read transaction')
      // Equal before and after: the transaction began at this state, and `backfilled` can only have grown since.
      const after = this.#reader.walIndex()
      if (before && after && sameCommit(before, after)) {
        this.#pinned = after
        return after
      }
      this.#reader.exec('COMMIT', 'ending a read transaction')
    }
    throw new LitestreamError(
      'DATABASE_BUSY',
      `${this.path}: no moment without a commit was found to begin a read in`,
      {
        file: this.path,
        hint: 'It is tried again by itself.',
      },
    )
  }

  unpin(): void {
    this.#pinned = undefined
    if (this.#reader.sqlite.inTransaction) this.#reader.exec('COMMIT', 'ending a read transaction')
  }

  /** The state of the WAL now; undefined in the middle of a change. */
  walIndex(): WalIndex | undefined {
    const index = this.#reader.walIndex()
    if (index) return index
    // A writer that died in the middle leaves the header torn; the next connection that begins to read repairs it.
    this.#writer.sqlite.prepare('SELECT count(*) FROM _litestream_lock').get()
    return this.#reader.walIndex()
  }

  /** As the pinned transaction sees them. */
  identity(): DatabaseIdentity {
    return identityOf(this.#reader)
  }

  /** Pages of the database as the pinned transaction sees it. */
  pageCount(): number {
    return this.#reader.sqlite.pragma('page_count', { simple: true }) as number
  }

  /** Fills `out` with pages of the database file from `pgno` on, without the WAL. */
  readPages(pgno: number, out: Uint8Array): void {
    this.#reader.readFile((pgno - 1) * this.pageSize, out)
  }

  /** Runs `work` while no other connection can commit. Throws DATABASE_BUSY when the lock cannot be had in time. */
  async withWritersBlocked<T>(work: () => Promise<T>): Promise<T> {
    this.#writer.exec('BEGIN IMMEDIATE', 'taking the write lock')
    try {
      return await work()
    } finally {
      if (this.#writer.sqlite.inTransaction) this.#writer.exec('ROLLBACK', 'giving the write lock back')
    }
  }

  /** Copies as much of the WAL into the database file as readers allow, waiting for none. Only while not pinned. */
  checkpointPassive(): CheckpointResult {
    try {
      const [row] = this.#reader.sqlite.pragma('wal_checkpoint(PASSIVE)') as { log: number; checkpointed: number }[]
      return { frames: Math.max(0, row!.log), backfilled: Math.max(0, row!.checkpointed) }
    } catch (error) {
      throw databaseError(error, this.path, 'checkpointing')
    }
  }

  /**
   * Commits a write of one page. Where the whole WAL is in the database file and no reader needs it, that restarts the WAL, and
   * the file is then cut to `sizeLimit` bytes (negative: left as it is).
   */
  bump(sizeLimit: number): void {
    this.#writer.sqlite.pragma(`journal_size_limit = ${sizeLimit}`)
    bumpSequence(this.#writer)
  }

  /** The -wal stays as it is. */
  close(): void {
    this.#pinned = undefined
    this.#reader?.close()
    this.#writer.close()
    this.#noLongerOpen()
  }
}

function enableWal(connection: SourceConnection): void {
  const { sqlite, path } = connection
  let mode: unknown
  try {
    mode = sqlite.pragma('journal_mode = wal', { simple: true })
  } catch (error) {
    throw databaseError(error, path, 'turning on WAL mode')
  }
  if (mode === 'wal') return
  throw new LitestreamError('DATABASE_INVALID', `${path}: WAL mode cannot be turned on, the mode stays ${mode}`, {
    file: path,
    hint: 'Put the database on a local file system, and end connections that hold it in exclusive locking mode.',
  })
}
