import { LitestreamError } from '../../errors.js'
import { monotonicMs } from '../../util/monotonic.js'
import { WalFile } from '../../wal/wal-file.js'
import type { WalHeader } from '../../wal/wal-header.js'
import type { PrimaryOptions } from '../sync-options.js'
import { databaseError } from './database-error.js'
import { DatabaseFiles, type Presence } from './database-files.js'
import { type FileIdentity, identifyFile } from './file-identity.js'
import { SourceDatabase } from './source-database.js'
import { isShared, sharedDatabase } from './sqlite-copies.js'

/** How often it is looked whether another copy of SQLite in this process has come to the database, milliseconds. */
const LOOK_EVERY = 1000

/** A database and its -wal as they were when they were opened: what their paths name later may be other files. */
export class OpenedDatabase {
  readonly source: SourceDatabase
  readonly wal: WalFile
  readonly #files: DatabaseFiles
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(path: string, options: PrimaryOptions) {
    const file = identifyFile(path)
    if (!file) throw databaseMissing(path)
    this.source = new SourceDatabase(path, options.busyTimeout, options.driver)
    let wal: WalFile | undefined
    try {
      // A first read makes SQLite create the -wal, if there is none.
      this.source.pin()
      wal = new WalFile(`${this.source.path}-wal`)
      this.wal = wal
      this.#files = new DatabaseFiles(path, this.source.path, file, wal, this.source.pageSize)
      this.#throwIfChanged(path)
    } catch (error) {
      wal?.close()
      this.source.close()
      throw databaseError(error, path, 'opening its WAL')
    }
  }

  #throwIfChanged(path: string): void {
    const presence = this.presence()
    if (presence.kind === 'same' || presence.kind === 'lost') return
    const { what = path } = presence.kind === 'replaced' ? presence : {}
    throw new LitestreamError('DATABASE_REPLACED', `${what} was replaced while ${path} was being opened`, {
      file: path,
      hint: 'Restart every process that has the database open if this error does not stop.',
    })
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

  /** Whether the paths still name the files that were opened, and only SQLite wrote to them. */
  presence(): Presence {
    return this.#files.presence(() => this.source.walIndex())
  }

  /** To be called after a checkpoint, which has changed the database file. */
  checkpointed(): void {
    this.#files.checkpointed(this.source.walIndex())
  }

  /** Throws DATABASE_REPLACED if another program than SQLite has written to the database file since it was checked last. */
  throwIfRewritten(): void {
    if (this.presence().kind !== 'rewritten') return
    const { path } = this.source
    throw new LitestreamError('DATABASE_REPLACED', `a program other than SQLite wrote to ${path} while it was read`, {
      file: path,
      hint: 'Wait until that program has finished. Replication then continues automatically with a snapshot.',
    })
  }

  /** The database file as it is now. */
  identifyFile(): FileIdentity {
    return this.#files.identify()
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
  return new LitestreamError('NOT_FOUND', `${path}: the database does not exist yet`, {
    file: path,
    hint: 'Check the path. Replication starts automatically when the application has created the database.',
  })
}
