import { realpathSync } from 'node:fs'
import PQueue from 'p-queue'
import { LitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { pause } from '../../util/pause.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from '../events.js'
import { databaseMissing, OpenedDatabase } from '../source/database-handle.js'
import { identifyFile, settlingMs } from '../source/file-identity.js'
import { type FileStamps, sameStamps, stampFiles } from '../source/file-stamps.js'
import { IdleWatch, type WatchedDatabase } from '../source/idle-watch.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from '../sync-options.js'
import { Checkpointer } from './checkpointer.js'
import { proveContinuity } from './continuity.js'
import { type DatabaseImage, pageSums } from './database-image.js'
import { DatabaseSync } from './database-sync.js'
import { KeptDatabase } from './kept-database.js'
import { isAsSaved } from './rest-proof.js'
import { planWhole } from './snapshot-plan.js'
import { LtxStaging, metaDirectory } from './staging.js'
import type { PrimaryState } from './state-file.js'
import { Progress } from './sync-position.js'
import { WalCursor } from './wal-cursor.js'

/**
 * `image` syncs and then begins a read transaction. If a commit happens in between, `image` repeats
 * both steps, at most IMAGE_ATTEMPTS times.
 */
const IMAGE_ATTEMPTS = 10

/**
 * Maximum size of a small database, in bytes. To upload a full copy of a small database costs less
 * than to sync its WAL to the disk.
 */
const SMALL_DATABASE = 16 * 1024 * 1024

export interface PrimaryStatus {
  /** Path of the database. */
  readonly db: string
  /** TXID of the last L0 file, or 0 before the first L0 file. */
  readonly txid: number
  /** Page size in bytes, or 0 while the database is not open. */
  readonly pageSize: number
  /** Size of the database in pages at `txid`. */
  readonly commit: number
  /** Number of committed frames in the WAL. */
  readonly walFrames: number
  /** Number of frames of the WAL that checkpoints have copied to the database file. */
  readonly walBackfilled: number
  /** Number of L0 files with the whole database since replication started, by reason. */
  readonly snapshots: Readonly<Record<string, number>>
}

/**
 * Makes L0 files of the commits of one database in a local folder, in order and without a gap, and
 * controls the checkpoints of the database. PrimaryDatabase does not access the replica, because
 * `Replicator` uploads the files. Concurrent calls of the methods run one after another. All calls
 * must come from one thread. PrimaryDatabase blocks this thread while it encodes short runs of
 * pages.
 */
export class PrimaryDatabase {
  readonly path: string
  readonly meta: string
  readonly staging: LtxStaging
  readonly #observe: PrimaryObserver
  readonly #work = new PQueue({ concurrency: 1 })
  readonly #progress: Progress
  readonly #cursor = new WalCursor()
  readonly #sync: DatabaseSync
  readonly #checkpointer: Checkpointer
  readonly #kept: KeptDatabase
  #closed = false
  /**
   * The stamps of the files at the last sync that succeeded and read every commit, or undefined.
   */
  #quiet: FileStamps | undefined
  #isKnown = false
  /**
   * Number of writes of the primary to the databases that were opened before the current database.
   */
  #ownWrites = 0
  /** The TXID in the state that an earlier process saved. */
  #loadedTxid = 0
  #costlyRests = 0
  /** Undefined unless the database rests, which means that its files are closed (see `rest`). */
  #rest: { readonly watched: WatchedDatabase; readonly end: () => void; readonly pageSize: number } | undefined

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
    this.#observe = observe
    this.#progress = new Progress(meta, path)
    const shared = { db: path, progress: this.#progress, cursor: this.#cursor, observe }
    const { maxSyncWalBytes: maxBytes } = options
    this.#sync = new DatabaseSync({
      ...shared,
      staging,
      maxBytes,
      written: () => this.#checkpointer.committed(),
    })
    this.#checkpointer = new Checkpointer({ ...shared, options, sync: this.#sync })
    this.#kept = new KeptDatabase({
      db: path,
      options,
      observe,
      started: (opened) => this.#start(opened),
      released: (opened) => {
        this.#ownWrites += opened?.source.ownWrites ?? 0
        this.#cursor.reset()
      },
      sync: (opened) => this.#sync.run(opened),
      exchanged: ({ rewritten }) => {
        this.#sync.reopened = true
        if (rewritten) this.#cursor.snapshotReason ??= 'a program other than SQLite wrote to the database file'
      },
    })
  }

  /**
   * Opens the database at `path` and determines its replication position. Throws NOT_FOUND if the
   * database does not exist, and DATABASE_INVALID if the file is not an SQLite database. Throws
   * DATABASE_BUSY, ACCESS_DENIED, DISK_FULL.
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
      database.#loadedTxid = database.#progress.txid
      database.#kept.start(opened)
      return database
    } catch (error) {
      opened.close()
      throw error
    }
  }

  /**
   * Returns a resting database if the database is certainly unchanged since an earlier process
   * saved its state. The result is the same as after `open` and `rest`, but `openResting` opens
   * only the WAL and the state file. Returns undefined, without an effect, if the database may have
   * changed.
   */
  static async openResting(
    path: string,
    options: Partial<PrimaryOptions>,
    observe: PrimaryObserver,
    { interval, onEnd }: { readonly interval: number; readonly onEnd: () => void },
  ): Promise<PrimaryDatabase | undefined> {
    const all = { ...DEFAULT_PRIMARY_OPTIONS, ...options }
    const meta = metaDirectory(path, all.metaPath)
    if (!identifyFile(meta) || !identifyFile(path)) return undefined
    const database = new PrimaryDatabase(path, meta, await LtxStaging.open(path, meta), all, observe)
    const reason = database.#progress.load(database.staging)
    const state = database.#progress.saved
    if (reason !== undefined || !state) return undefined
    const real = realpathSync.native(path)
    const rest = database.#watch(real, interval, onEnd)
    // The watch began before this comparison, so it detects every commit after the comparison.
    if (!isAsSaved(state, real)) {
      rest.watched.stop()
      return undefined
    }
    database.#rest = { ...rest, pageSize: state.pageSize }
    database.#loadedTxid = database.txid
    database.#progress.lineage = state.lineage
    database.#progress.sequence = state.sequence
    database.#isKnown = true
    observe('open', { db: path, txid: database.txid, pageSize: state.pageSize })
    return database
  }

  /** `onEnd` is called once, either when `end` is called, or at the first change of the files. */
  #watch(file: string, interval: number, onEnd: () => void) {
    let ended = false
    const end = () => {
      if (!ended) onEnd()
      ended = true
    }
    return { watched: IdleWatch.add(file, interval, end), end }
  }

  get txid(): number {
    return this.#progress.txid
  }

  /** Whether the database file did not exist when the primary last tried to open it. */
  get missing(): boolean {
    return this.#kept.missing
  }

  /**
   * The reason why the next L0 file must hold the whole database, or undefined if an incremental
   * file is enough.
   */
  get snapshotReason(): string | undefined {
    return this.#cursor.snapshotReason
  }

  /** Number of transactions that the primary itself has written to the database. */
  get ownWrites(): number {
    return this.#ownWrites + (this.#kept.opened?.source.ownWrites ?? 0)
  }

  /** Whether the state file describes the database that the primary opened last. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /**
   * Whether the L0 file of `txid` may hold the whole database. Returns true if this process wrote
   * the whole database into the L0 file, or if an earlier process wrote the L0 file.
   */
  mayBeWhole(txid: number): boolean {
    return txid <= this.#loadedTxid || this.#sync.isWhole(txid)
  }

  /** The last saved state, or undefined before the first L0 file. */
  get state(): PrimaryState | undefined {
    return this.#progress.saved
  }

  /**
   * Makes L0 files of all committed transactions, and runs a checkpoint if a checkpoint is due.
   * Resolves with the last TXID. If there are no new commits, a sync calls stat eight times and
   * reads shared memory.
   */
  sync(options: { readonly checkpoint?: boolean } = {}): Promise<number> {
    return this.#run(async () => {
      // The stamps are taken before the sync, so that a change during the sync causes another sync.
      const stamps = this.#stamp()
      this.#quiet = undefined
      await this.#checkStateFolder()
      const opened = await this.#kept.sync()
      if (options.checkpoint !== false && !this.#kept.lost) {
        this.#kept.failed(await this.#checkpointer.runIfDue(opened))
      }
      if (!this.#kept.lost) this.#quiet = stamps
      return this.txid
    })
  }

  /**
   * Whether a sync would do nothing. A sync does nothing if no file has changed since the last
   * sync, no transaction was committed, and no checkpoint is due. `isQuiet` calls stat five times
   * and reads shared memory. `isQuiet` takes a tenth of the processor time of a sync.
   */
  get isQuiet(): boolean {
    const source = this.#kept.opened?.source
    if (!this.#quiet || !source?.pinned || this.#closed || this.#work.size + this.#work.pending > 0) return false
    const stamps = this.#stamp()
    // Only an unchanged -shm may be read, because reading memory beyond the end of a truncated file
    // ends the process.
    if (!stamps || !sameStamps(stamps, this.#quiet)) return false
    const index = source.walIndex()
    return index !== undefined && this.#cursor.isUnchanged(index) && !this.#checkpointer.isDue(index)
  }

  #stamp(): FileStamps | undefined {
    const real = this.#kept.opened?.source.path
    if (real === undefined) return undefined
    return stampFiles([this.path, `${real}-wal`, `${real}-shm`, this.staging.directory, this.#progress.path])
  }

  /**
   * Closes the files of an idle database, which then rests. The next use of the database opens the
   * files again. Resolves with true if the database rests. Checks every `interval` milliseconds
   * whether the files have changed. `onEnd` is called once, at the first change, or when the
   * primary opens the files for another reason.
   *
   * `rest` first empties the WAL. If an application then opens the database, reads it and closes
   * it, the primary can still prove continuity. Without an empty WAL, the next L0 file would have
   * to hold the whole database. With `soon`, `rest` does not empty the WAL of a small database,
   * because the sync of the disk would take most of the time.
   */
  rest(interval: number, onEnd: () => void, { soon = false }: { readonly soon?: boolean } = {}): Promise<boolean> {
    return this.#run(async () => {
      if (this.#rest) return true
      await this.#checkStateFolder()
      const opened = await this.#kept.sync()
      if (this.#kept.lost || this.#cursor.snapshotReason !== undefined) return false
      const skip = soon && opened.identifyFile().size <= SMALL_DATABASE
      const complete = !skip && (await this.#checkpointer.emptyWal(opened))
      // The read transaction reads only from the database file, so no checkpoint can change the
      // database file during the pause.
      if (complete) await pause(settlingMs(opened.identifyFile()))
      const { watched, end } = this.#watch(opened.source.path, interval, onEnd)
      try {
        // The watch began before this comparison, so it detects every commit after the comparison.
        const index = opened.source.walIndex()
        if (!index || !this.#cursor.isUnchanged(index)) return false
        await this.#progress.saveForRest(opened, this.#cursor.position!, complete)
        this.#kept.release()
        this.#rest = { watched, end, pageSize: opened.source.pageSize }
        return true
      } finally {
        if (!this.#rest) watched.stop()
      }
    })
  }

  /**
   * Number of L0 files with the whole database that were needed because the primary had closed the
   * files of the idle database.
   */
  get costlyRests(): number {
    return this.#costlyRests
  }

  /** Whether the files of the database are closed, because nothing changes the database. */
  get isResting(): boolean {
    return this.#rest !== undefined
  }

  /**
   * Whether the database rests (its files are closed) and its files are unchanged. `restsUnchanged`
   * calls stat twice.
   */
  get restsUnchanged(): boolean {
    return this.#rest !== undefined && !this.#rest.watched.hasChanged
  }

  /** Runs a checkpoint immediately, regardless of the thresholds. */
  checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    return this.#run(async () => {
      await this.#checkStateFolder()
      return this.#checkpointer.run(await this.#kept.sync(), mode)
    })
  }

  /**
   * Returns the checksums of all pages at the current TXID. First syncs the database and then reads
   * the whole database. Other syncs wait until `image` has ended. Returns undefined if the database
   * is larger than `maxBytes`, or if other connections commit too often (see IMAGE_ATTEMPTS).
   */
  image(maxBytes: number): Promise<DatabaseImage | undefined> {
    return this.#run(async () => {
      for (let attempt = 0; attempt < IMAGE_ATTEMPTS; attempt++) {
        const opened = await this.#kept.sync()
        const { source } = opened
        if (this.#progress.commit * source.pageSize > maxBytes) return undefined
        this.#sync.handOver(opened)
        const index = source.pinned
        if (!index || !this.#cursor.isUnchanged(index)) continue
        const planned = planWhole(opened, index, undefined)
        if (planned === 'moved') continue
        const [{ commit }, { pageSize }, { txid }] = [planned, source, this]
        const sums = await pageSums(planned.runs, { commit, pageSize })
        if (planned.stillThere()) return { txid, pageSize, commit, sums }
      }
      return undefined
    })
  }

  /** Commits a write of one page, so that the next sync makes an L0 file. */
  touch(): Promise<void> {
    return this.#run(async () => {
      const { source } = await this.#kept.sync()
      await source.bump(-1)
      this.#progress.sequence++
    })
  }

  /**
   * Discards all staged files, so that the next sync writes an L0 file with the whole database and
   * a TXID above `txid`. Throws LTX_CORRUPT if `txid` is the largest possible TXID.
   */
  startOver(txid: number, reason: string): Promise<void> {
    return this.#run(async () => {
      if (!Number.isSafeInteger(txid + 1)) throw lastTxid(this.path, txid)
      this.#quiet = undefined
      for (const file of this.staging.list()) this.staging.remove(file.txid)
      this.#progress.txid = txid
      this.#cursor.snapshotReason ??= reason
    })
  }

  /**
   * Sets a lower bound for the times of all later L0 files, in milliseconds since the epoch.
   * `timestamp` is the time of the newest file in the replica.
   */
  notBefore(timestamp: number): void {
    this.#progress.timestamp = Math.max(this.#progress.timestamp, timestamp)
  }

  /** Records the newest file in the replica, which is saved together with the next state. */
  remember(uploaded: NonNullable<PrimaryState['uploaded']>): void {
    this.#progress.remember(uploaded)
  }

  /** Records permanently that another primary has taken over the replica. */
  fence(reason: string): Promise<void> {
    return this.#run(async () => this.#progress.fence(reason))
  }

  status(): PrimaryStatus {
    const source = this.#kept.opened?.source
    const index = source?.lastIndex
    return {
      db: this.path,
      txid: this.txid,
      pageSize: source?.pageSize ?? this.#rest?.pageSize ?? 0,
      commit: this.#progress.commit,
      walFrames: index?.frames ?? 0,
      walBackfilled: index?.backfilled ?? 0,
      snapshots: this.#sync.snapshots,
    }
  }

  /**
   * Closes the database. Commits after the last sync are found at the next start of the primary.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#work.add(async () => {
      this.#closed = true
      this.#rest?.watched.stop()
      try {
        await this.#progress.close()
      } finally {
        this.#kept.release()
      }
    })
  }

  /**
   * If parts of the state folder were removed or replaced, writes these parts again from memory.
   * Calls stat twice.
   */
  async #checkStateFolder(): Promise<void> {
    const notice = (object: string, reason: string) =>
      this.#observe('notice', { db: this.path, object, reason, action: `created the ${object} again` })
    const folder = await this.staging.makeAgainIfGone()
    if (folder) notice('state folder', folder)
    const file = await this.#progress.saveAgainIfChanged()
    if (file) notice('state file', file)
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#work.add(async () => {
      if (this.#closed) throw new LitestreamError('INVALID_ARGUMENT', `${this.path}: the primary is closed`)
      return work()
    }) as Promise<T>
  }

  /**
   * Starts the replication of a newly opened database, and decides whether the WAL continues the
   * saved state.
   */
  #start(opened: OpenedDatabase): void {
    const rest = this.#rest
    this.#rest = undefined
    rest?.watched.stop()
    rest?.end()
    const { source } = opened
    const cursor = this.#cursor
    const index = source.pin()
    const identity = source.identity()
    const state = this.#progress.saved
    this.#progress.lineage = identity.lineage
    this.#progress.sequence = identity.sequence
    cursor.seen = undefined
    this.#isKnown = state?.lineage === identity.lineage
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
      else {
        cursor.snapshotReason ??= continuity.reason
        if (rest) this.#costlyRests++
      }
    }
    if (source.turnedToWal !== undefined) {
      const reason = `the journal mode of the database was ${source.turnedToWal}`
      this.#observe('notice', { db: this.path, object: 'database', reason, action: 'turned the database to WAL mode' })
    }
    this.#observe('open', { db: this.path, txid: this.txid, pageSize: source.pageSize })
  }
}

/**
 * The error for a replica that ends at the largest TXID. No primary reaches this TXID, so the
 * newest file is damaged or another program wrote it.
 */
function lastTxid(file: string, txid: number): LitestreamError {
  return new LitestreamError(
    'LTX_CORRUPT',
    `${file}: the replica ends at TXID ${formatTxid(txid)}, and no larger TXID is possible`,
    {
      file,
      hint: 'Replicate to another replica URL at which no replica exists, and keep the old replica until you no longer need it.',
    },
  )
}
