import { realpathSync, statSync } from 'node:fs'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import type { DriverChoice } from '../../sqlite/connection.js'
import { monotonicMs } from '../../util/monotonic.js'
import { pause } from '../../util/pause.js'
import { sameCommit, type WalIndex } from '../../wal/wal-index.js'
import { SourceConnection } from './connection.js'
import { databaseError, unwritableError } from './database-error.js'
import { bumpSequence, type DatabaseIdentity, ensureTables, identityOf } from './litestream-tables.js'
import { noteOpen } from './open-registry.js'
import { isShared, sharedDatabase } from './sqlite-copies.js'

/**
 * Databases that must stay open (see leaveOpen). A reference in this list prevents the garbage
 * collector from closing a database.
 */
const leftOpen: SourceDatabase[] = []

/**
 * The replicated database, which the primary opens with two connections. The first connection
 * always holds a read transaction, which keeps every later frame in the WAL
 * (docs/contributors/invariants.md). The second connection makes the few writes of the primary.
 */
export class SourceDatabase {
  /**
   * Path of the database without symbolic links, from which SQLite derives the name of the -wal.
   */
  readonly path: string
  readonly pageSize: number
  /**
   * The journal mode that the database had before the primary changed the mode to WAL, or undefined
   * if the database was already in WAL mode.
   */
  readonly turnedToWal: string | undefined
  readonly #reader: SourceConnection
  readonly #writer: SourceConnection
  readonly #busyTimeout: number
  readonly #noLongerOpen: () => void
  #pinned: WalIndex | undefined
  #lastIndex: WalIndex | undefined
  #leftOpen = false
  #ownWrites = 0

  /**
   * Opens the database, changes it to WAL mode and creates Litestream's tables. The constructor
   * begins no read transaction. Throws DATABASE_SHARED.
   */
  constructor(path: string, busyTimeout: number, driver?: DriverChoice) {
    this.path = realpathSync(path)
    this.#busyTimeout = busyTimeout
    this.#noLongerOpen = noteOpen(this.path)
    try {
      this.#writer = new SourceConnection(this.path, busyTimeout, driver)
    } catch (error) {
      this.#noLongerOpen()
      throw error
    }
    // A second copy of SQLite must be found before the first write, because the locks of the second
    // copy do not prevent this write.
    if (isShared(this.path)) {
      this.leaveOpen()
      throw sharedDatabase(this.path)
    }
    try {
      this.turnedToWal = enableWal(this.#writer)
      if (this.#createTables()) this.#ownWrites++
      this.#reader = new SourceConnection(this.path, busyTimeout, driver)
      this.pageSize = this.#reader.sqlite.value('PRAGMA page_size') as number
      this.#writer.sqlite.exec('PRAGMA busy_timeout = 0')
    } catch (error) {
      this.close()
      throw databaseError(error, this.path, 'opening the database')
    }
  }

  /**
   * Creates Litestream's tables, if they are missing. Returns whether the database was written to.
   */
  #createTables(): boolean {
    const writer = this.#writer
    // SQLite syncs the WAL header to the disk before it writes the first frame. Without the sync of
    // the WAL header, frames of an earlier generation could follow the new header after a power
    // cut. An empty WAL has no frames of an earlier generation, so the sync of the WAL header is
    // switched off. With thousands of databases, syncs of the WAL headers would take most of the
    // time of the primary's start. The next writer that syncs the WAL also syncs the header.
    const isEmpty = statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size === 0
    if (!isEmpty) return ensureTables(writer)
    const usual = writer.sqlite.value('PRAGMA synchronous')
    writer.sqlite.exec('PRAGMA synchronous = OFF')
    try {
      return ensureTables(writer)
    } finally {
      writer.sqlite.exec(`PRAGMA synchronous = ${String(usual)}`)
    }
  }

  /**
   * The wal-index at the time when the read transaction began, or undefined without a read
   * transaction.
   */
  get pinned(): WalIndex | undefined {
    return this.#pinned
  }

  /**
   * Ends the current read transaction, if any, and begins a new one. Returns the wal-index that the
   * new transaction sees. Throws DATABASE_BUSY if writers never pause long enough to read the
   * wal-index.
   */
  pin(): WalIndex {
    this.unpin()
    for (let attempt = 0; attempt < 1000; attempt++) {
      const before = this.#reader.walIndex()
      this.#reader.exec('BEGIN; SELECT count(*) FROM _litestream_seq', 'beginning a read transaction')
      // If the wal-index was the same before and after the transaction began, the transaction sees
      // this wal-index. A checkpoint may still have increased `backfilled`.
      const after = this.#reader.walIndex()
      if (before && after && sameCommit(before, after)) {
        this.#pinned = after
        return after
      }
      this.#reader.exec('COMMIT', 'ending a read transaction')
    }
    const refused = unwritableError(this.path, 'beginning a read transaction', { directory: true })
    if (refused) throw refused
    throw new LitestreamError(
      'DATABASE_BUSY',
      `${this.path}: the application commits without a pause, so no read transaction can begin`,
      {
        file: this.path,
        hint: 'Wait: the primary retries automatically until a read transaction can begin.',
      },
    )
  }

  /**
   * Replaces the read transaction by a new one that sees the latest commit. At every moment, at
   * least one of the two transactions exists. A transaction that reads only from the database file
   * blocks the checkpoints of all connections. While checkpoints are blocked, each commit of an
   * application with automatic checkpoints starts a checkpoint that sorts the whole WAL and copies
   * nothing. A transaction that reads from the WAL does not block these checkpoints.
   */
  handOver(): WalIndex {
    this.#writer.exec('BEGIN; SELECT count(*) FROM _litestream_lock', 'beginning a read transaction')
    try {
      return this.pin()
    } finally {
      this.#writer.exec('COMMIT', 'ending a read transaction')
    }
  }

  unpin(): void {
    this.#pinned = undefined
    if (this.#reader.inTransaction) this.#reader.exec('COMMIT', 'ending a read transaction')
  }

  /** Returns the current wal-index, or undefined while a writer is changing it. */
  walIndex(): WalIndex | undefined {
    this.#lastIndex = this.#reader.walIndex()
    if (!this.#lastIndex) {
      // If a writer was killed while it changed the wal-index, the two copies of the header differ.
      // The next connection that begins a read transaction repairs the header.
      this.#writer.exec('SELECT count(*) FROM _litestream_lock', 'reading the database')
      this.#lastIndex = this.#reader.walIndex()
    }
    return this.#lastIndex
  }

  /**
   * The latest result of walIndex(). The status uses `lastIndex`, because a read of the -shm is not
   * safe at every moment.
   */
  get lastIndex(): WalIndex | undefined {
    return this.#lastIndex
  }

  /** Returns the lineage and the sequence of the database as the read transaction sees them. */
  identity(): DatabaseIdentity {
    return identityOf(this.#reader)
  }

  /** Number of transactions that this SourceDatabase has written to the database. */
  get ownWrites(): number {
    return this.#ownWrites
  }

  /** Size of the database in pages, as the read transaction sees it. */
  pageCount(): number {
    return this.#reader.sqlite.value('PRAGMA page_count') as number
  }

  /**
   * Fills `out` with the pages of the database file from page `pgno` on. Changes in the WAL are not
   * applied.
   */
  readPages(pgno: number, out: Uint8Array): void {
    this.#reader.readFile((pgno - 1) * this.pageSize, out)
  }

  /**
   * Runs `work` while no other connection can commit. Throws DATABASE_BUSY if SQLite's write lock
   * is not available in time.
   */
  async withWritersBlocked<T>(work: () => Promise<T>): Promise<T> {
    await this.#patiently(() => this.#writer.exec('BEGIN IMMEDIATE', 'taking the write lock'))
    try {
      return await work()
    } finally {
      if (this.#writer.inTransaction) this.#writer.exec('ROLLBACK', 'releasing the write lock')
    }
  }

  /**
   * Calls `attempt` every millisecond until the database is not locked. SQLite's own busy handler
   * waits longer after each try, and therefore often misses the short pauses of a writer.
   */
  async #patiently(attempt: () => void): Promise<void> {
    const deadline = monotonicMs() + this.#busyTimeout
    for (;;) {
      try {
        attempt()
        return
      } catch (error) {
        if (!isLitestreamError(error, 'DATABASE_BUSY') || monotonicMs() >= deadline) throw error
      }
      await pause(1)
    }
  }

  /**
   * Copies as many frames of the WAL to the database file as possible without waiting for readers.
   * Returns false if another connection is already running a checkpoint. No frame is copied in this
   * case.
   */
  checkpointPassive(): boolean {
    const connection = this.#reader.inTransaction ? this.#writer : this.#reader
    try {
      return connection.sqlite.value('PRAGMA wal_checkpoint(PASSIVE)') === 0
    } catch (error) {
      throw databaseError(error, this.path, 'checkpointing')
    }
  }

  /**
   * Runs a passive checkpoint on the thread pool, because a checkpoint waits for the disk twice.
   * Until the promise resolves, the caller must not use this object except to read `lastIndex` and
   * `pinned`.
   */
  async checkpointInBackground(): Promise<void> {
    const connection = this.#reader.inTransaction ? this.#writer : this.#reader
    const rc = await connection.checkpoint()
    // SQLITE_BUSY (5) means that another connection is running a checkpoint.
    if (rc !== 0 && rc !== 5) {
      throw new LitestreamError('DATABASE_INVALID', `${this.path}: checkpointing failed with SQLite code ${rc}`, {
        file: this.path,
        hint: 'Check the free disk space and the system log for disk errors.',
      })
    }
  }

  /**
   * Ends the read transaction and truncates the WAL. All frames must be in the database file.
   * `expected` is the wal-index when the primary had read every frame. Returns the wal-index of the
   * empty WAL. Returns `busy` if another connection reads or writes. Returns `missed` if another
   * connection committed before the truncation, so that the primary has not read these frames.
   */
  truncateWal(expected: WalIndex): WalIndex | 'busy' | 'missed' {
    // data_version changes with each commit of another connection.
    const version = () => this.#writer.sqlite.value('PRAGMA data_version')
    try {
      const before = version()
      const index = this.walIndex()
      if (!index || !sameCommit(index, expected)) return 'busy'
      this.unpin()
      if (this.#writer.sqlite.value('PRAGMA wal_checkpoint(TRUNCATE)') !== 0) return 'busy'
      const after = this.walIndex()
      return after?.frames === 0 && version() === before ? after : 'missed'
    } catch (error) {
      throw databaseError(error, this.path, 'truncating the WAL')
    }
  }

  /**
   * Copies as many frames as possible from a removed -wal to the database file, because these
   * commits exist in no other file. First ends the primary's read transaction, because this
   * transaction would block the checkpoint.
   */
  rescueWal(): void {
    this.unpin()
    this.checkpointPassive()
  }

  /**
   * Commits a write of one page. If every frame is in the database file and no reader needs the
   * WAL, this write restarts the WAL. After the restart of the WAL, SQLite truncates the -wal to
   * `sizeLimit` bytes. If `sizeLimit` is negative, the -wal keeps its size.
   */
  async bump(sizeLimit: number): Promise<void> {
    this.#writer.sqlite.exec(`PRAGMA journal_size_limit = ${sizeLimit}`)
    await this.#patiently(() => bumpSequence(this.#writer))
    this.#ownWrites++
  }

  /**
   * Stops using the database but leaves its files open until the process ends. A process that
   * closes a file loses all its locks on the file, including the locks of another copy of SQLite.
   */
  leaveOpen(): void {
    this.#leftOpen = true
    leftOpen.push(this)
    if (this.#reader) this.unpin()
    this.#noLongerOpen()
  }

  /** Closes both connections, and keeps the -wal file. */
  close(): void {
    if (this.#leftOpen) return
    this.#pinned = undefined
    this.#reader?.close()
    this.#writer.close()
    this.#noLongerOpen()
  }
}

/** Changes the database to WAL mode. Returns the previous journal mode if it was not WAL. */
function enableWal(connection: SourceConnection): string | undefined {
  const { sqlite, path } = connection
  let before: unknown
  let mode: unknown
  try {
    before = sqlite.value('PRAGMA journal_mode')
    mode = sqlite.value('PRAGMA journal_mode = wal')
  } catch (error) {
    throw databaseError(error, path, 'turning on WAL mode')
  }
  if (mode === 'wal') return before === 'wal' ? undefined : String(before)
  throw new LitestreamError(
    'DATABASE_INVALID',
    `${path}: WAL mode cannot be turned on; the journal mode stays ${mode}`,
    {
      file: path,
      hint: 'Put the database on a local file system, and close connections that use exclusive locking mode.',
    },
  )
}
