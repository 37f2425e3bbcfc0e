import { isLitestreamError, LitestreamError } from '../../errors.js'
import { GrowingInterval } from '../../util/growing-interval.js'
import { pause } from '../../util/pause.js'
import type { PrimaryObserver } from '../events.js'
import type { Presence } from '../source/database-files.js'
import { databaseMissing, OpenedDatabase } from '../source/database-handle.js'
import { identifyFile, isUnchangedFile } from '../source/file-identity.js'
import { StandingError } from '../standing-error.js'
import type { PrimaryOptions } from '../sync-options.js'

/** A file that was replaced is opened once it has stayed unchanged for this long, milliseconds. */
const SETTLED_MS = 200

export interface KeptDatabaseParts {
  readonly db: string
  readonly options: PrimaryOptions
  readonly observe: PrimaryObserver
  /** A database was opened: finds out where replication of it stands. */
  readonly started: (opened: OpenedDatabase) => void
  /** It was let go of. */
  readonly released: () => void
  /** Makes L0 files of everything that is committed. */
  readonly sync: (opened: OpenedDatabase) => Promise<void>
  /** The files were exchanged. `rewritten`: another program wrote to the database file, so what is known of it is void. */
  readonly exchanged: (how: { readonly rewritten: boolean }) => void
}

/**
 * Keeps the database open that a path names. What was opened is compared with what the paths name now before each sync: files
 * that are other ones are opened again, and an error stays visible as long as that is not possible.
 */
export class KeptDatabase {
  readonly #parts: KeptDatabaseParts
  readonly #lost: StandingError
  readonly #attempts = new GrowingInterval()
  #opened: OpenedDatabase | undefined
  #settling = false
  #missing = false

  /** `opened`: a database just opened, for which `started` is called later, by `start`. */
  constructor(parts: KeptDatabaseParts) {
    this.#parts = parts
    this.#lost = new StandingError(parts.db, 'files', parts.observe)
  }

  get opened(): OpenedDatabase | undefined {
    return this.#opened
  }

  /** The database was not there when it was needed last. */
  get missing(): boolean {
    return this.#missing
  }

  /** A -wal or -shm is lost: no checkpoint may be made, because others may not see its locks. */
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

  release(): void {
    this.#opened?.close()
    this.#opened = undefined
    this.#parts.released()
  }

  /** Syncs, also when the paths name other files than those opened. Returns what is open then. */
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
   * Lets go of the database after an error that is about what was opened, so that nothing of it is trusted: the next sync opens it
   * again, and proves what it holds.
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

  /** Whether connections of this process still hold a removed -shm is only known by opening the database again. */
  #mayReopen({ pid }: Extract<Presence, { kind: 'lost' }>): boolean {
    return pid === 0 && this.#attempts.due()
  }

  async #openAgain(opened: OpenedDatabase, presence: Exclude<Presence, { kind: 'same' }>): Promise<OpenedDatabase> {
    const { db, observe, exchanged, sync } = this.#parts
    exchanged({ rewritten: presence.kind === 'rewritten' })
    // Whoever removes the -wal and -shm may be about to put another database in place: what would be written between the two
    // would be replayed into that one.
    this.#settling = presence.kind !== 'lost'
    try {
      // The files opened still exist for those who hold them: what was committed to them last is not lost.
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

  /** Opens what the path names now, if nothing is open. */
  async #ensureOpen(): Promise<OpenedDatabase> {
    if (this.#opened) return this.#opened
    await this.#settle()
    const opened = new OpenedDatabase(this.#parts.db, this.#parts.options)
    this.#missing = false
    this.start(opened)
    return opened
  }

  /** Throws NOT_FOUND, and DATABASE_REPLACED while the file that has taken the place of another is still being written. */
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

/** Whether an error is about what was opened: SQLite's own errors, and files that are not what SQLite says. */
function isSourceFault(error: unknown): boolean {
  if (!isLitestreamError(error, 'DATABASE_INVALID', 'WAL_CORRUPT', 'ACCESS_DENIED')) return false
  const { code } = (error.cause ?? {}) as { code?: unknown }
  return error.cause === undefined || String(code ?? '').startsWith('SQLITE_')
}
