import { isLitestreamError, LitestreamError } from '../../errors.js'
import { GrowingInterval } from '../../util/growing-interval.js'
import { pause } from '../../util/pause.js'
import type { PrimaryObserver } from '../events.js'
import type { Presence } from '../source/database-files.js'
import { databaseMissing, OpenedDatabase } from '../source/database-handle.js'
import { identifyFile, isUnchangedFile } from '../source/file-identity.js'
import { StandingError } from '../standing-error.js'
import type { PrimaryOptions } from '../sync-options.js'

/** A replaced file is opened when it was unchanged for this long, in milliseconds. */
const SETTLED_MS = 200

export interface KeptDatabaseParts {
  readonly db: string
  readonly options: PrimaryOptions
  readonly observe: PrimaryObserver
  /** Called after a database was opened: determines its replication position. */
  readonly started: (opened: OpenedDatabase) => void
  /** Called after a database was released; `opened` is undefined if none was open. */
  readonly released: (opened: OpenedDatabase | undefined) => void
  /** Makes L0 files of everything that is committed. */
  readonly sync: (opened: OpenedDatabase) => Promise<void>
  /**
   * Called after files were replaced. `rewritten`: another program wrote to the database file, so
   * the saved state is invalid.
   */
  readonly exchanged: (how: { readonly rewritten: boolean }) => void
}

/**
 * Keeps the database at a path open. Before each sync, compares the opened files with the files
 * that the paths name now: replaced files are opened again, and an error is reported while that is
 * not possible.
 */
export class KeptDatabase {
  readonly #parts: KeptDatabaseParts
  readonly #lost: StandingError
  readonly #attempts = new GrowingInterval()
  #opened: OpenedDatabase | undefined
  #settling = false
  #missing = false

  /** `opened`: a database that was just opened; `start` calls `started` for it later. */
  constructor(parts: KeptDatabaseParts) {
    this.#parts = parts
    this.#lost = new StandingError(parts.db, 'files', parts.observe)
  }

  get opened(): OpenedDatabase | undefined {
    return this.#opened
  }

  /** Whether the database did not exist when it was last needed. */
  get missing(): boolean {
    return this.#missing
  }

  /**
   * Whether a -wal or -shm is lost: checkpoints are then not allowed, because other processes may
   * not see their locks.
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

  /** Closes the files and discards all state about them. The next sync opens the files again. */
  release(): void {
    const opened = this.#opened
    opened?.close()
    this.#opened = undefined
    this.#parts.released(opened)
  }

  /**
   * Syncs, even if the paths name other files than those opened. Returns the database that is open
   * afterwards.
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
   * Releases the database after an error about the opened files: the next sync opens it again and
   * proves continuity.
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
    const hint = `Restart ${who}: until then, commits of processes that open the database later are not replicated and can damage it.`
    this.#lost.raise(new LitestreamError('DATABASE_REPLACED', `${db}: ${message}`, { file: db, hint }), SETTLED_MS)
  }

  /**
   * Whether connections of this process still hold a removed -shm is known only after opening the
   * database again.
   */
  #mayReopen({ pid }: Extract<Presence, { kind: 'lost' }>): boolean {
    return pid === 0 && this.#attempts.due()
  }

  async #openAgain(opened: OpenedDatabase, presence: Exclude<Presence, { kind: 'same' }>): Promise<OpenedDatabase> {
    const { db, observe, exchanged, sync } = this.#parts
    exchanged({ rewritten: presence.kind === 'rewritten' })
    // A program that removes the -wal and -shm may be about to replace the database: frames written
    // in between would be replayed into the new one.
    this.#settling = presence.kind !== 'lost'
    try {
      // The opened files still exist for processes that have them open: the last commits to them
      // are not lost.
      if (presence.kind === 'deleted' || (presence.kind === 'replaced' && presence.trusted)) await sync(opened)
      if (presence.kind === 'replaced' && presence.onlyHere) opened.source.rescueWal()
    } finally {
      this.release()
    }
    if (presence.kind === 'deleted') {
      this.#missing = true
      throw new LitestreamError('DATABASE_REPLACED', `${db} was deleted; all commits before that are replicated`, {
        file: db,
        hint: 'Replication continues automatically with a snapshot when the application has created the database again.',
      })
    }
    const reason =
      presence.kind === 'rewritten'
        ? 'a program other than SQLite wrote to the database file'
        : `${presence.what} is another file`
    observe('notice', { db, object: 'database', reason, action: 'opening the database again' })
    return this.#ensureOpen()
  }

  /** Opens the files that the paths name now, if none are open. */
  async #ensureOpen(): Promise<OpenedDatabase> {
    if (this.#opened) return this.#opened
    await this.#settle()
    const opened = new OpenedDatabase(this.#parts.db, this.#parts.options)
    this.#missing = false
    this.start(opened)
    return opened
  }

  /** Throws NOT_FOUND, and DATABASE_REPLACED while a replaced file is still being written. */
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
        hint: 'Wait until that program has finished. Replication then continues automatically with a snapshot.',
      })
    }
    this.#settling = false
  }
}

/**
 * Whether an error concerns the opened files: SQLite's own errors, and files that contradict
 * SQLite.
 */
function isSourceFault(error: unknown): boolean {
  if (!isLitestreamError(error, 'DATABASE_INVALID', 'WAL_CORRUPT', 'ACCESS_DENIED')) return false
  const { code } = (error.cause ?? {}) as { code?: unknown }
  return error.cause === undefined || String(code ?? '').startsWith('SQLITE_')
}
