import { LitestreamError } from '../../errors.js'
import { monotonicMs } from '../../util/monotonic.js'
import { WalFile } from '../../wal/wal-file.js'
import type { WalHeader } from '../../wal/wal-header.js'
import type { PrimaryOptions } from '../sync-options.js'
import { databaseError, specialFileError } from './database-error.js'
import { DatabaseFiles, type Presence } from './database-files.js'
import { takeDescriptors } from './descriptor-budget.js'
import { type FileIdentity, identifyFile } from './file-identity.js'
import { SourceDatabase } from './source-database.js'
import { isShared, sharedDatabase } from './sqlite-copies.js'

/**
 * Interval in milliseconds at which the primary checks for another copy of SQLite in this process.
 */
const CHECK_EVERY = 1000

/**
 * An opened database and its opened -wal. If another program replaces the files, the object still
 * uses the opened files.
 */
export class OpenedDatabase {
  readonly source: SourceDatabase
  readonly wal: WalFile
  readonly #files: DatabaseFiles
  readonly #releaseDescriptors: () => void
  #checkedAt = Number.NEGATIVE_INFINITY

  constructor(path: string, options: PrimaryOptions) {
    const file = identifyFile(path)
    if (!file) throw databaseMissing(path)
    const special = specialFileError(path)
    if (special) throw special
    this.#releaseDescriptors = takeDescriptors(path)
    try {
      this.source = new SourceDatabase(path, options.busyTimeout, options.driver)
    } catch (error) {
      this.#releaseDescriptors()
      throw error
    }
    let wal: WalFile | undefined
    try {
      // SQLite creates a missing -wal at the first read.
      this.source.pin()
      wal = new WalFile(`${this.source.path}-wal`)
      this.wal = wal
      this.#files = new DatabaseFiles(path, this.source.path, file, wal, this.source.pageSize)
      this.#throwIfChanged(path)
    } catch (error) {
      wal?.close()
      this.source.close()
      this.#releaseDescriptors()
      throw databaseError(error, path, 'opening the WAL')
    }
  }

  #throwIfChanged(path: string): void {
    const presence = this.presence()
    if (presence.kind === 'same' || presence.kind === 'lost') return
    const { what = path } = presence.kind === 'replaced' ? presence : {}
    throw new LitestreamError('DATABASE_REPLACED', `${what} was replaced while ${path} was being opened`, {
      file: path,
      hint: 'If this error repeats, restart every process that has the database open.',
    })
  }

  /**
   * Throws DATABASE_SHARED if another copy of SQLite in this process uses the database too. If
   * another copy uses the database, the connections stay open (see SourceDatabase.leaveOpen). Call
   * `ensureAlone` after each commit.
   */
  ensureAlone(): void {
    const now = monotonicMs()
    if (now - this.#checkedAt < CHECK_EVERY) return
    if (isShared(this.source.path)) {
      this.source.leaveOpen()
      throw sharedDatabase(this.source.path)
    }
    this.#checkedAt = now
  }

  /**
   * Whether the paths of the database still name the opened files, and whether only SQLite wrote to
   * these files.
   */
  presence(): Presence {
    return this.#files.presence(() => this.source.walIndex())
  }

  /**
   * Must be called after each checkpoint of the primary, because the checkpoint changes the
   * database file.
   */
  checkpointed(): void {
    this.#files.checkpointed(this.source.walIndex())
  }

  /**
   * Throws DATABASE_REPLACED if a program other than SQLite has written to the database file since
   * the last check.
   */
  throwIfRewritten(): void {
    if (this.presence().kind !== 'rewritten') return
    const { path } = this.source
    throw new LitestreamError('DATABASE_REPLACED', `a program other than SQLite wrote to ${path} during a read`, {
      file: path,
      hint: 'Wait until the other program has finished writing to the database. Replication then continues automatically with a snapshot.',
    })
  }

  /** The identity of the current database file. */
  identifyFile(): FileIdentity {
    return this.#files.identify()
  }

  header(): WalHeader | undefined {
    return this.wal.header()
  }

  close(): void {
    this.wal.close()
    this.source.close()
    this.#releaseDescriptors()
  }
}

export function databaseMissing(path: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${path}: the database does not exist yet`, {
    file: path,
    hint: 'Check the path of the database. Replication starts automatically when the application has created the database. Set `allow-missing` (option `allowMissing`) if the database may be missing.',
  })
}
