import PQueue from 'p-queue'
import { LitestreamError } from '../../errors.js'
import { pause } from '../../util/pause.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from '../events.js'
import { databaseMissing, OpenedDatabase } from '../source/database-handle.js'
import { identifyFile } from '../source/file-identity.js'
import { Checkpointer } from './checkpointer.js'
import { proveContinuity } from './continuity.js'
import { DatabaseSync } from './database-sync.js'
import { LtxStaging, metaDirectory } from './staging.js'
import type { PrimaryState } from './state-file.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './sync-options.js'
import { Progress } from './sync-position.js'
import { WalCursor } from './wal-cursor.js'

export interface PrimaryStatus {
  readonly db: string
  /** The last file of level 0 that was made; 0 before the first. */
  readonly txid: number
  /** Bytes; 0 while the database is not open. */
  readonly pageSize: number
  /** Size of the database in pages at `txid`. */
  readonly commit: number
  /** Committed frames in the WAL, and how many of them are in the database file. */
  readonly walFrames: number
  readonly walBackfilled: number
  /** Snapshots that were needed since the start, by reason. */
  readonly snapshots: Readonly<Record<string, number>>
}

/** How long whoever replaces a database may take from its first file to its last, before what is there is opened. */
const REPLACING_MS = 200

/**
 * Turns the commits of one database into files of level 0 in a local folder, in order and without a gap, and owns the
 * database's checkpoints. It knows nothing of replicas; `Replicator` brings the files there. All methods may be called at any
 * time; the work is done one after another. Belongs on one thread, and blocks it while pages are encoded.
 */
export class PrimaryDatabase {
  readonly path: string
  readonly meta: string
  readonly staging: LtxStaging
  readonly #options: PrimaryOptions
  readonly #observe: PrimaryObserver
  readonly #work = new PQueue({ concurrency: 1 })
  readonly #progress: Progress
  readonly #cursor = new WalCursor()
  readonly #sync: DatabaseSync
  readonly #checkpointer: Checkpointer
  #opened: OpenedDatabase | undefined
  #closed = false

  private constructor(
    path: string,
    meta: string,
    staging: LtxStaging,
    options: PrimaryOptions,
    observe: PrimaryObserver,
  ) {
    this.path = path
    this.meta = meta
    this.staging = staging
    this.#options = options
    this.#observe = observe
    this.#progress = new Progress(meta)
    const shared = { db: path, progress: this.#progress, cursor: this.#cursor, observe }
    const { maxSyncWalBytes: maxBytes } = options
    this.#sync = new DatabaseSync({
      ...shared,
      staging,
      maxBytes,
      written: () => this.#checkpointer.committed(),
    })
    this.#checkpointer = new Checkpointer({ ...shared, options, sync: this.#sync })
  }

  /**
   * Opens the database at `path` and finds out where replication of it stands. Throws NOT_FOUND while there is none,
   * DATABASE_INVALID when it is not an SQLite database, DATABASE_BUSY, ACCESS_DENIED, DISK_FULL.
   */
  static async open(
    path: string,
    options: Partial<PrimaryOptions> = {},
    observe: PrimaryObserver = () => {},
  ): Promise<PrimaryDatabase> {
    const file = identifyFile(path)
    if (!file) throw databaseMissing(path)
    const all = { ...DEFAULT_PRIMARY_OPTIONS, ...options }
    const opened = new OpenedDatabase(path, all)
    try {
      const meta = metaDirectory(path, all.metaPath)
      const database = new PrimaryDatabase(path, meta, await LtxStaging.open(path, meta), all, observe)
      database.#cursor.snapshotReason = database.#progress.load(database.staging)
      database.#start(opened)
      return database
    } catch (error) {
      opened.close()
      throw error
    }
  }

  get txid(): number {
    return this.#progress.txid
  }

  /** Why the next file has to hold the whole database; undefined when it has not. */
  get snapshotReason(): string | undefined {
    return this.#cursor.snapshotReason
  }

  /** What was saved last; undefined before the first file. */
  get state(): PrimaryState | undefined {
    return this.#progress.saved
  }

  /**
   * Makes files of everything that is committed now and checkpoints if it is time to. Resolves with the last TXID. Costs three
   * calls of stat and a look into shared memory when nothing was committed.
   */
  sync(options: { readonly checkpoint?: boolean } = {}): Promise<number> {
    return this.#run(async () => {
      const opened = await this.#syncAll()
      if (options.checkpoint !== false) await this.#checkpointer.runIfDue(opened)
      return this.txid
    })
  }

  /** Checkpoints now, whatever the thresholds say. */
  checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    return this.#run(async () => this.#checkpointer.run(await this.#syncAll(), mode))
  }

  /** The next sync makes a file that holds the whole database; it follows `txid`, and staged files are discarded. */
  startOver(txid: number, reason: string): Promise<void> {
    return this.#run(async () => {
      for (const file of this.staging.list()) this.staging.remove(file.txid)
      this.#progress.txid = txid
      this.#cursor.snapshotReason ??= reason
    })
  }

  /** No file from here on is given an earlier time, milliseconds since the epoch: the replica has one of then. */
  notBefore(timestamp: number): void {
    this.#progress.timestamp = Math.max(this.#progress.timestamp, timestamp)
  }

  /** What the newest file in the replica is; goes to disk with the next state. */
  remember(uploaded: NonNullable<PrimaryState['uploaded']>): void {
    this.#progress.remember(uploaded)
  }

  /** Notes for good that the replica belongs to another primary now. */
  fence(reason: string): Promise<void> {
    return this.#run(async () => this.#progress.fence(reason))
  }

  status(): PrimaryStatus {
    const index = this.#opened?.source.walIndex()
    return {
      db: this.path,
      txid: this.txid,
      pageSize: this.#opened?.source.pageSize ?? 0,
      commit: this.#progress.commit,
      walFrames: index?.frames ?? 0,
      walBackfilled: index?.backfilled ?? 0,
      snapshots: this.#sync.snapshots,
    }
  }

  /** Lets go of the database. What was committed since the last sync is found at the next start. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#work.add(async () => {
      this.#closed = true
      try {
        this.#progress.close()
      } finally {
        this.#release()
      }
    })
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#work.add(async () => {
      if (this.#closed) throw new LitestreamError('INVALID_ARGUMENT', `${this.path}: the primary is closed`)
      return work()
    }) as Promise<T>
  }

  #release(): void {
    this.#opened?.close()
    this.#opened = undefined
    this.#cursor.reset()
  }

  /** Takes over a database just opened: decides whether its WAL continues what was saved. */
  #start(opened: OpenedDatabase): void {
    const { source } = opened
    const cursor = this.#cursor
    const index = source.pin()
    const identity = source.identity()
    const state = this.#progress.saved
    this.#opened = opened
    this.#progress.lineage = identity.lineage
    this.#progress.sequence = identity.sequence
    cursor.seen = undefined
    if (state) {
      const continuity = proveContinuity(state, {
        file: opened.identifyFile(),
        identity,
        pageSize: source.pageSize,
        index,
        wal: opened.wal,
        header: opened.header(),
      })
      if (continuity.continuous) cursor.moveTo(continuity.position, index)
      else cursor.snapshotReason ??= continuity.reason
    }
    this.#observe('open', { db: this.path, txid: this.txid, pageSize: source.pageSize })
  }

  /** Opens what the path names now, if nothing is open. */
  #ensureOpen(): OpenedDatabase {
    if (this.#opened) return this.#opened
    if (!identifyFile(this.path)) throw databaseMissing(this.path)
    const opened = new OpenedDatabase(this.path, this.#options)
    try {
      this.#start(opened)
    } catch (error) {
      this.#opened = undefined
      opened.close()
      throw error
    }
    return opened
  }

  /** Syncs, also when the paths name other files than those opened. Returns what is open then. */
  async #syncAll(): Promise<OpenedDatabase> {
    let opened = this.#ensureOpen()
    const presence = opened.presence()
    if (presence !== 'same') {
      // The files opened are still there for whoever holds them: what was committed to them last is not lost.
      try {
        await this.#sync.run(opened)
      } finally {
        this.#release()
      }
      if (presence === 'deleted') {
        throw new LitestreamError(
          'DATABASE_REPLACED',
          `${this.path} was deleted; everything up to that is replicated`,
          {
            file: this.path,
            hint: 'Replication goes on with a snapshot once a database is there again.',
          },
        )
      }
      this.#sync.reopened = true
      await pause(REPLACING_MS)
      opened = this.#ensureOpen()
    }
    await this.#sync.run(opened)
    return opened
  }
}
