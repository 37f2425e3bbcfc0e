import { LitestreamError } from '../../errors.js'
import { monotonicMs } from '../../util/monotonic.js'
import { WalFile } from '../../wal/wal-file.js'
import type { WalHeader } from '../../wal/wal-header.js'
import type { PrimaryOptions } from '../sync/sync-options.js'
import { databaseError } from './database-error.js'
import { type FileIdentity, identifyFile, isSameFile } from './file-identity.js'
import { SourceDatabase } from './source-database.js'
import { isShared, sharedDatabase } from './sqlite-copies.js'

/** How often it is looked whether another copy of SQLite in this process has come to the database, milliseconds. */
const LOOK_EVERY = 1000

/** A database and its -wal as they were when they were opened: what their paths name later may be other files. */
export class OpenedDatabase {
  readonly source: SourceDatabase
  readonly wal: WalFile
  readonly #path: string
  readonly #file: FileIdentity
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(path: string, options: PrimaryOptions) {
    this.#path = path
    const file = identifyFile(path)
    if (!file) throw databaseMissing(path)
    this.source = new SourceDatabase(path, options.busyTimeout)
    this.#file = file
    try {
      // A first read makes SQLite create the -wal, if there is none.
      this.source.pin()
      this.wal = new WalFile(`${this.source.path}-wal`)
      if (this.presence() !== 'same') {
        throw new LitestreamError('DATABASE_REPLACED', `${path} was replaced while it was being opened`, { file: path })
      }
    } catch (error) {
      this.source.close()
      throw databaseError(error, path, 'opening its WAL')
    }
  }

  /**
   * Throws DATABASE_SHARED when another copy of SQLite in this process uses the database, too; to be called whenever there was a
   * commit. The connections are left open then (see SourceDatabase.leaveOpen).
   */
  ensureAlone(): void {
    const now = monotonicMs()
    if (now - this.#lookedAt < LOOK_EVERY) return
    if (isShared(this.source.path)) {
      this.source.leaveOpen()
      throw sharedDatabase(this.source.path)
    }
    this.#lookedAt = now
  }

  /** Whether the paths still name what was opened. Three calls of stat, no lock is touched. */
  presence(): 'same' | 'replaced' | 'deleted' {
    const file = identifyFile(this.#path)
    if (!file) return 'deleted'
    if (!isSameFile(file, this.#file)) return 'replaced'
    return identifyFile(this.wal.path)?.inode === String(this.wal.inode) ? 'same' : 'replaced'
  }

  /** The database file as it is now. */
  identifyFile(): FileIdentity {
    return identifyFile(this.#path) ?? this.#file
  }

  header(): WalHeader | undefined {
    return this.wal.header()
  }

  close(): void {
    this.wal.close()
    this.source.close()
  }
}

export function databaseMissing(path: string): LitestreamError {
  return new LitestreamError('NOT_FOUND', `${path}: there is no database yet`, {
    file: path,
    hint: 'Check the path; replication begins by itself once the application has created it.',
  })
}
