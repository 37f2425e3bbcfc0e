import { isLitestreamError, LitestreamError } from '../../errors.js'
import { GrowingInterval } from '../../util/growing-interval.js'
import { pause } from '../../util/pause.js'
import type { PrimaryObserver } from '../events.js'
import type { Presence } from '../source/database-files.js'
import { databaseMissing, OpenedDatabase } from '../source/database-handle.js'
import { identifyFile, isUnchangedFile } from '../source/file-identity.js'
import { StandingError } from '../standing-error.js'
import type { PrimaryOptions } from '../sync-options.js'

/**
 * Time in milliseconds for which a new database file must be unchanged before the primary opens the
 * file.
 */
const SETTLED_MS = 200

export interface KeptDatabaseParts {
  readonly db: string
  readonly options: PrimaryOptions
  readonly observe: PrimaryObserver
  /** Called after a database was opened. Finds the position at which replication continues. */
  readonly started: (opened: OpenedDatabase) => void
  /** Called after a database was closed. `opened` is undefined if no database was open. */
  readonly released: (opened: OpenedDatabase | undefined) => void
  /** Makes L0 files of all committed transactions. */
  readonly sync: (opened: OpenedDatabase) => Promise<void>
  /**
   * Called after the files of the database were replaced. If `rewritten` is true, another program
   * wrote to the database file, so the saved state is invalid.
   */
  readonly exchanged: (how: { readonly rewritten: boolean }) => void
}

/**
 * Keeps the database at a path open. Before each sync, KeptDatabase compares the opened files with
 * the files that the paths name now. If files were replaced, KeptDatabase opens the new files.
 * `sync` throws as long as the new files cannot be opened.
 */
export class KeptDatabase {
  readonly #parts: KeptDatabaseParts
  readonly #lost: StandingError
  readonly #attempts = new GrowingInterval()
  #opened: OpenedDatabase | undefined
  #settling = false
  #missing = false

  /**
   * `opened` is a database that was just opened. If `opened` is given, the caller must call
   * `start`, which then calls `started` for this database.
   */
  constructor(parts: KeptDatabaseParts) {
    this.#parts = parts
    this.#lost = new StandingError(parts.db, 'files', parts.observe)
  }

  get opened(): OpenedDatabase | undefined {
    return this.#opened
  }

  /** Whether the database file did not exist when the primary last tried to open it. */
  get missing(): boolean {
    return this.#missing
  }

  /**
   * Whether the -wal or the -shm was removed and a process still has the removed file open. While a
   * removed -wal or -shm is still open, the primary must not run a checkpoint, because other
   * processes may not see the checkpoint's locks.
   */
  get lost(): boolean {
    return this.#lost.stands
  }

  start(opened: OpenedDatabase): void {
    this.#opened = opened
    try {
      this.#parts.started(opened)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /**
   * Closes the files of the database and discards all data about these files. The next sync opens
   * the files again.
   */
  release(): void {
    const opened = this.#opened
    opened?.close()
    this.#opened = undefined
    this.#parts.released(opened)
  }

  /**
   * Syncs the opened files. If the opened files were replaced, also opens and syncs the new files.
   * Returns the database that is open after the sync.
   */
  async sync(): Promise<OpenedDatabase> {
    const opened = await this.#ensureOpen()
    try {
      return await this.#syncOpened(opened)
    } catch (error) {
      this.failed(error)
      throw error
    }
  }

  /**
   * If `error` concerns the opened files, closes the database. The next sync opens the database
   * again and checks its continuity.
   */
  failed(error: unknown): void {
    if (!this.#opened) return
    if (isLitestreamError(error, 'DATABASE_REPLACED')) {
      this.#parts.exchanged({ rewritten: true })
      this.#settling = true
      this.release()
    } else if (isSourceFault(error)) this.release()
  }

  async #syncOpened(opened: OpenedDatabase): Promise<OpenedDatabase> {
    const presence = opened.presence()
    if (presence.kind === 'lost') this.#raiseLost(presence)
    else this.#lost.over()
    if (presence.kind === 'same' || (presence.kind === 'lost' && !this.#mayReopen(presence))) {
      await this.#parts.sync(opened)
      return opened
    }
    const again = await this.#openAgain(opened, presence)
    await this.#parts.sync(again)
    return again
  }

  #raiseLost({ what, pid }: Extract<Presence, { kind: 'lost' }>): void {
    const { db } = this.#parts
    const who = pid === 0 ? 'this process' : pid < 0 ? 'another process' : `process ${pid}`
    const message = `${what} was removed or replaced while ${who} has the database open`
    const hint = `Restart ${who}. Until then, commits of processes that open the database later are not replicated and can damage the database.`
    this.#lost.raise(new LitestreamError('DATABASE_REPLACED', `${db}: ${message}`, { file: db, hint }), SETTLED_MS)
  }

  /**
   * Whether to open the database again to find out if this process still uses a removed -shm. Only
   * a new connection shows whether SQLite still uses the removed -shm.
   */
  #mayReopen({ pid }: Extract<Presence, { kind: 'lost' }>): boolean {
    return pid === 0 && this.#attempts.due()
  }

  async #openAgain(opened: OpenedDatabase, presence: Exclude<Presence, { kind: 'same' }>): Promise<OpenedDatabase> {
    const { db, observe, exchanged, sync } = this.#parts
    exchanged({ rewritten: presence.kind === 'rewritten' })
    // A program that removes the -wal and the -shm may be about to replace the database file. If a
    // -wal with old frames remained, SQLite would apply its frames to the new database file.
    this.#settling = presence.kind !== 'lost'
    try {
      // The opened files exist until the last process closes the files, so the last commits in
      // these files can still be read.
      if (presence.kind === 'deleted' || (presence.kind === 'replaced' && presence.trusted)) await sync(opened)
      if (presence.kind === 'replaced' && presence.onlyHere) opened.source.rescueWal()
    } finally {
      this.release()
    }
    if (presence.kind === 'deleted') {
      this.#missing = true
      throw new LitestreamError(
        'DATABASE_REPLACED',
        `${db} was deleted; all commits before the deletion are replicated`,
        {
          file: db,
          hint: 'Start the application, which creates the database again: replication then continues automatically with a snapshot.',
        },
      )
    }
    const reason =
      presence.kind === 'rewritten'
        ? 'a program other than SQLite wrote to the database file'
        : `${presence.what} was replaced by another file`
    observe('notice', { db, object: 'database', reason, action: 'opening the database again' })
    return this.#ensureOpen()
  }

  /** Returns the open database. If no database is open, opens the files that the paths name now. */
  async #ensureOpen(): Promise<OpenedDatabase> {
    if (this.#opened) return this.#opened
    await this.#settle()
    const opened = new OpenedDatabase(this.#parts.db, this.#parts.options)
    this.#missing = false
    this.start(opened)
    return opened
  }

  /**
   * Throws NOT_FOUND if the database does not exist, and DATABASE_REPLACED while another program
   * still writes to a replaced database file.
   */
  async #settle(): Promise<void> {
    const { db } = this.#parts
    const before = identifyFile(db)
    this.#missing = before === undefined
    if (!before) throw databaseMissing(db)
    if (!this.#settling) return
    await pause(SETTLED_MS)
    const after = identifyFile(db)
    if (!after || !isUnchangedFile(before, after)) {
      throw new LitestreamError('DATABASE_REPLACED', `a program other than SQLite is writing to ${db}`, {
        file: db,
        hint: 'Wait until the other program has finished writing to the database. Replication then continues automatically with a snapshot.',
      })
    }
    this.#settling = false
  }
}

/**
 * Whether an error concerns the opened files. Errors that concern the opened files are SQLite's own
 * errors, and errors for files whose contents contradict the wal-index.
 */
function isSourceFault(error: unknown): boolean {
  if (!isLitestreamError(error, 'DATABASE_INVALID', 'WAL_CORRUPT', 'ACCESS_DENIED')) return false
  const { code } = (error.cause ?? {}) as { code?: unknown }
  return error.cause === undefined || String(code ?? '').startsWith('SQLITE_')
}
