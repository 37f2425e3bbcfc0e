import { setTimeout as delay } from 'node:timers/promises'
import PQueue from 'p-queue'
import { LitestreamError } from '../errors.js'
import { lockPgno } from '../ltx/format.js'
import { type NewestPages, newestPages, scanWal } from '../wal/frame-scanner.js'
import { type WalHeader, walSize } from '../wal/wal-header.js'
import { sameCommit, type WalIndex } from '../wal/wal-index.js'
import { sameGeneration, startOf, type WalPosition } from '../wal/wal-position.js'
import { Backoff } from './backoff.js'
import { CheckpointPolicy } from './checkpoint-policy.js'
import { proveContinuity } from './continuity.js'
import { databaseError } from './database-error.js'
import { identifyFile } from './file-identity.js'
import { writeL0 } from './l0-writer.js'
import { LtxStaging, metaDirectory } from './ltx-staging.js'
import { databaseMissing, OpenedDatabase } from './opened-database.js'
import { allPages, type PageRun, pagesInWal } from './page-runs.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from './primary-events.js'
import { DEFAULT_PRIMARY_OPTIONS, type PrimaryOptions } from './primary-options.js'
import { type PrimaryState, StateFile } from './state-file.js'

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
  readonly #stateFile: StateFile
  readonly #work = new PQueue({ concurrency: 1 })
  readonly #policy: CheckpointPolicy
  readonly #checkpointErrors: Backoff
  readonly #snapshots: Record<string, number> = {}

  #opened: OpenedDatabase | undefined
  #position: WalPosition | undefined
  /**
   * Whether all that the read transaction sees has been read. From then on nothing can get lost while the transaction lives: as
   * long as it reads from the WAL, nobody restarts the WAL; if it reads from the file alone, nobody copies frames to the file.
   */
  #covered = false
  /** The wal-index at the last look: as long as it stays so, there is nothing to do. */
  #seen: WalIndex | undefined
  /** Set: the next file has to hold the whole database. */
  #snapshotReason: string | undefined
  #state: PrimaryState | undefined
  #txid = 0
  #commit = 0
  #timestamp = 0
  #sequence = 0
  #uploaded: PrimaryState['uploaded']
  #lineage = 0
  #closed = false
  #reopened = false

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
    this.#stateFile = new StateFile(meta)
    this.#policy = new CheckpointPolicy(options, Date.now())
    this.#checkpointErrors = new Backoff(path, 'checkpoint', options.checkpointInterval, observe)
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
      database.#load()
      database.#start(opened)
      return database
    } catch (error) {
      opened.close()
      throw error
    }
  }

  get txid(): number {
    return this.#txid
  }

  /** Why the next file has to hold the whole database; undefined when it has not. */
  get snapshotReason(): string | undefined {
    return this.#snapshotReason
  }

  /** What was saved last; undefined before the first file. */
  get state(): PrimaryState | undefined {
    return this.#state
  }

  /**
   * Makes files of everything that is committed now and checkpoints if it is time to. Resolves with the last TXID. Costs three
   * calls of stat and a look into shared memory when nothing was committed.
   */
  sync(options: { readonly checkpoint?: boolean } = {}): Promise<number> {
    return this.#run(async () => {
      await this.#syncAll()
      const index = this.#opened?.source.walIndex()
      const mode = index && options.checkpoint !== false ? this.#policy.decide(index, Date.now()) : undefined
      if (mode) await this.#checkpointOrReport(mode)
      return this.#txid
    })
  }

  /** Checkpoints now, whatever the thresholds say. */
  checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    return this.#run(async () => {
      await this.#syncAll()
      return this.#checkpoint(mode)
    })
  }

  /** The next sync makes a file that holds the whole database; it follows `txid`, and staged files are discarded. */
  startOver(txid: number, reason: string): Promise<void> {
    return this.#run(async () => {
      for (const file of this.staging.list()) this.staging.remove(file.txid)
      this.#txid = txid
      this.#snapshotReason ??= reason
    })
  }

  /** What the newest file in the replica is; goes to disk with the next state. */
  remember(uploaded: NonNullable<PrimaryState['uploaded']>): void {
    this.#uploaded = uploaded
  }

  /** Notes for good that the replica belongs to another primary now. */
  fence(reason: string): Promise<void> {
    return this.#run(async () => {
      if (this.#state) this.#save({ ...this.#state, fenced: reason })
    })
  }

  status(): PrimaryStatus {
    const index = this.#opened?.source.walIndex()
    return {
      db: this.path,
      txid: this.#txid,
      pageSize: this.#opened?.source.pageSize ?? 0,
      commit: this.#commit,
      walFrames: index?.frames ?? 0,
      walBackfilled: index?.backfilled ?? 0,
      snapshots: { ...this.#snapshots },
    }
  }

  /** Lets go of the database. What was committed since the last sync is found at the next start. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#work.add(async () => {
      this.#closed = true
      if (this.#state && this.#uploaded?.txid !== this.#state.uploaded?.txid) {
        this.#save({ ...this.#state, uploaded: this.#uploaded })
      }
      this.#release()
      this.#stateFile.close()
    })
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#work.add(async () => {
      if (this.#closed) throw new LitestreamError('INVALID_ARGUMENT', `${this.path}: the primary is closed`)
      return work()
    }) as Promise<T>
  }

  // ---- opening

  #release(): void {
    this.#opened?.close()
    this.#opened = undefined
    this.#position = undefined
    this.#covered = false
    this.#seen = undefined
  }

  /** Reads what an earlier process knew. */
  #load(): void {
    const loaded = this.#stateFile.load()
    const staged = this.staging.list()
    if (loaded.kind !== 'present') {
      this.#txid = staged.at(-1)?.txid ?? 0
      const missing = this.#txid === 0 ? 'first sync' : 'the state file is missing'
      this.#snapshotReason = loaded.kind === 'damaged' ? `the state file is damaged: ${loaded.reason}` : missing
      return
    }
    const { state } = loaded
    this.#state = state
    this.#uploaded = state.uploaded
    this.#txid = state.txid
    this.#commit = state.commit
    this.#timestamp = state.timestamp
    // Files behind the state were never offered to the replica: the state is saved before that.
    for (const file of staged) if (file.txid > state.txid) this.staging.remove(file.txid)
  }

  /** Takes over a database just opened: decides whether its WAL continues what was saved. */
  #start(opened: OpenedDatabase): void {
    const { source } = opened
    const index = source.pin()
    const identity = source.identity()
    const state = this.#state
    this.#opened = opened
    this.#lineage = identity.lineage
    this.#sequence = identity.sequence
    this.#seen = undefined
    if (state) {
      const continuity = proveContinuity(state, {
        file: opened.identifyFile(),
        identity,
        pageSize: source.pageSize,
        index,
        wal: opened.wal,
        header: opened.header(),
      })
      if (continuity.continuous) this.#position = continuity.position
      else this.#snapshotReason ??= continuity.reason
      this.#cover(index)
    }
    this.#observe('open', { db: this.path, txid: this.#txid, pageSize: source.pageSize })
  }

  /** Looks whether the position has come to what the read transaction sees. */
  #cover(pinned: WalIndex | undefined): void {
    const position = this.#position
    if (!pinned || !position || !sameGeneration(pinned, position)) return
    if (position.frames >= pinned.frames) this.#covered = true
  }

  /** Notices when the paths name other files than those opened, and opens what is there now. */
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

  async #syncAll(): Promise<void> {
    let opened = this.#ensureOpen()
    const presence = opened.presence()
    if (presence !== 'same') {
      // The files opened are still there for whoever holds them: what was committed to them last is not lost.
      try {
        await this.#syncOpened(opened)
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
      this.#reopened = true
      await delay(REPLACING_MS)
      opened = this.#ensureOpen()
    }
    await this.#syncOpened(opened)
  }

  // ---- syncing

  async #syncOpened(opened: OpenedDatabase): Promise<void> {
    // A checkpoint that failed may have left it so; whatever happened since is then judged without its protection.
    if (!opened.source.pinned) this.#cover(opened.source.pin())
    const index = opened.source.walIndex()
    if (index && this.#seen && sameCommit(index, this.#seen) && this.#snapshotReason === undefined) return
    for (let moved = 0; moved < 100; ) {
      const done = this.#snapshotReason === undefined ? await this.#advance(opened) : await this.#snapshot(opened)
      if (done === 'end') {
        const { pinned } = opened.source
        const reader = pinned && pinned.backfilled === pinned.frames
        if (reader && this.#seen && this.#seen.backfilled < this.#seen.frames) this.#handOver(opened)
        return
      }
      if (done === 'moved') moved++
    }
    throw new LitestreamError('DATABASE_BUSY', `${this.path}: the WAL changes faster than it can be read`, {
      file: this.path,
      hint: 'It is tried again by itself.',
    })
  }

  /** Lets the read transaction follow the position, which is protected all the while. */
  #handOver({ source }: OpenedDatabase): void {
    const index = source.handOver()
    this.#covered = false
    this.#cover(index)
    this.#sequence = Math.max(this.#sequence, source.identity().sequence)
  }

  /** Makes one file of the frames behind the position. */
  async #advance(opened: OpenedDatabase): Promise<'end' | 'more' | 'moved'> {
    const started = performance.now()
    const index = opened.source.walIndex()
    if (!index) return 'moved'
    const next = this.#next(opened, index)
    if (next === 'end' || next === 'moved') return next
    const { header, start } = next
    const { pageSize } = header
    const span = scanWal(opened.wal, header, start, { frames: index.frames, bytes: this.#options.maxSyncWalBytes })
    const frames = span.end.frames - start.frames
    const whole = span.end.frames === index.frames
    const expected =
      !whole || (span.end.checksum[0] === index.checksum[0] && span.end.checksum[1] === index.checksum[1])
    if (frames === 0 || !expected) {
      if (opened.header()?.salt2 !== header.salt2) return 'moved'
      return this.#discontinue('frames of the WAL do not have the checksums that SQLite has noted')
    }
    const newest = newestPages(span, span.commit, lockPgno(pageSize))
    if (!coversGrowth(newest.pgnos, this.#commit, span.commit, lockPgno(pageSize))) {
      return this.#discontinue('pages by which the database has grown are not in the WAL')
    }
    return this.#write(opened, {
      started,
      runs: pagesInWal(newest, opened.wal, pageSize),
      commit: span.commit,
      start,
      end: span.end,
      stillThere: () => sameHeader(opened.header(), header),
      whole,
      index,
    })
  }

  /** From which position to read on in the WAL as `index` describes it. */
  #next(
    opened: OpenedDatabase,
    index: WalIndex,
  ): 'end' | 'moved' | { readonly header: WalHeader; readonly start: WalPosition } {
    const position = this.#position
    if (!position) return this.#discontinue('the position in the WAL is not known')
    const same = sameGeneration(index, position)
    if (!same && !this.#covered) {
      return this.#discontinue('the WAL was restarted behind the back of the read transaction')
    }
    if (same && index.frames < position.frames)
      return this.#discontinue('the WAL ends before the last frame that was read')
    if (index.frames === (same ? position.frames : 0)) {
      const unequal = position.checksum[0] !== index.checksum[0] || position.checksum[1] !== index.checksum[1]
      if (same && position.frames > 0 && unequal) return this.#discontinue('the WAL was overwritten by another process')
      this.#position = same ? position : { salt1: index.salt1, salt2: index.salt2, frames: 0, checksum: [0, 0] }
      this.#seen = index
      return 'end'
    }
    const header = opened.header()
    if (!header || !sameGeneration(header, index)) return 'moved'
    return { header, start: same && position.frames > 0 ? position : startOf(header) }
  }

  #discontinue(reason: string): 'moved' {
    this.#snapshotReason = reason
    return 'moved'
  }

  /** Makes one file of the whole database. */
  async #snapshot(opened: OpenedDatabase): Promise<'end' | 'more' | 'moved'> {
    const started = performance.now()
    const { source, wal } = opened
    const reason = this.#snapshotReason
    this.#covered = false
    let index = source.pin()
    if (index.frames === 0 && !this.#reopened) {
      // A position needs a frame to stand behind: an empty WAL has no salts yet that could be known again. Not when somebody
      // is exchanging the files just now: the frame would be replayed into the next database that gets this name.
      await source.bump(-1)
      index = source.pin()
    }
    this.#sequence = source.identity().sequence
    const end = { salt1: index.salt1, salt2: index.salt2, frames: index.frames, checksum: index.checksum }
    const header = opened.header()
    const lock = lockPgno(source.pageSize)
    let inWal: NewestPages = { pgnos: new Uint32Array(0), frames: new Uint32Array(0) }
    const usesWal = index.backfilled < index.frames
    if (usesWal) {
      if (!header || !sameGeneration(header, index)) return 'moved'
      const span = scanWal(wal, header, startOf(header), { frames: index.frames, bytes: Number.POSITIVE_INFINITY })
      if (span.end.frames !== index.frames || span.end.checksum[1] !== index.checksum[1]) {
        if (!sameHeader(opened.header(), header)) return 'moved'
        throw new LitestreamError('WAL_CORRUPT', `${wal.path}: frame ${span.end.frames + 1} is damaged`, {
          file: wal.path,
          offset: walSize(span.end.frames, source.pageSize),
          hint: 'Stop the application and let SQLite recover the database, or restore it.',
        })
      }
      inWal = newestPages(span, span.commit, lock)
    }
    const commit = source.pageCount()
    const state = { pageSize: source.pageSize, commit, inWal, wal, readPages: source.readPages.bind(source) }
    return this.#write(opened, {
      started,
      runs: allPages(state),
      commit,
      start: header && sameGeneration(header, index) ? startOf(header) : { ...end, frames: 0 },
      end,
      stillThere: () => !usesWal || sameHeader(opened.header(), header!),
      whole: true,
      index,
      reason,
    })
  }

  async #write(opened: OpenedDatabase, file: FileToWrite): Promise<'end' | 'more' | 'moved'> {
    const { source } = opened
    const txid = this.#txid + 1
    // Never earlier than the file before, whatever the clock does: restores to a point in time rely on it.
    const timestamp = Math.max(Date.now(), this.#timestamp)
    const walBytes = walSize(file.end.frames, source.pageSize) - walSize(file.start.frames, source.pageSize)
    const written = await writeL0(
      this.staging,
      {
        pageSize: source.pageSize,
        commit: file.commit,
        minTxid: txid,
        maxTxid: txid,
        timestamp,
        walOffset: walSize(file.start.frames, source.pageSize),
        walSize: walBytes,
        walSalt1: file.end.salt1,
        walSalt2: file.end.salt2,
      },
      file.runs,
      file.stillThere,
    )
    if (!written) return 'moved'
    this.#txid = txid
    this.#timestamp = timestamp
    this.#commit = file.commit
    this.#position = file.end
    this.#cover(source.pinned)
    this.#seen = file.whole ? file.index : undefined
    if (file.reason !== undefined) this.#snapshots[file.reason] = (this.#snapshots[file.reason] ?? 0) + 1
    this.#snapshotReason = undefined
    this.#policy.committed()
    this.#saveState(opened)
    this.#observe('sync', {
      db: this.path,
      txid,
      pages: written.pages,
      size: written.size,
      walBytes,
      walOffset: walSize(file.end.frames, source.pageSize),
      durationMs: performance.now() - file.started,
      snapshotReason: file.reason,
    })
    return file.whole ? 'end' : 'more'
  }

  #saveState(opened: OpenedDatabase): void {
    this.#save({
      ...(this.#uploaded ? { uploaded: this.#uploaded } : {}),
      ...(this.#state?.fenced === undefined ? {} : { fenced: this.#state.fenced }),
      txid: this.#txid,
      timestamp: this.#timestamp,
      pageSize: opened.source.pageSize,
      commit: this.#commit,
      wal: { ...this.#position!, checksum: [...this.#position!.checksum] },
      file: opened.identifyFile(),
      lineage: this.#lineage,
      sequence: this.#sequence,
    })
  }

  #save(state: PrimaryState): void {
    this.#stateFile.save(state)
    this.#state = state
  }

  // ---- checkpoints

  /** A checkpoint that fails does not make the sync before it fail. */
  async #checkpointOrReport(mode: CheckpointMode): Promise<void> {
    try {
      await this.#checkpoint(mode)
      this.#checkpointErrors.worked()
    } catch (error) {
      this.#checkpointErrors.failed(databaseError(error, this.path, 'checkpointing'))
      const index = this.#opened?.source.walIndex()
      if (index) this.#policy.done(mode, index, Date.now())
    }
  }

  /**
   * Copies the WAL into the database file and lets it begin anew, without a moment in which a commit could get lost: while writers
   * are blocked everything is synced, the read transaction ended, the WAL copied, the read transaction begun again.
   */
  async #checkpoint(mode: CheckpointMode): Promise<PrimaryEvents['checkpoint']> {
    const started = performance.now()
    const opened = this.#ensureOpen()
    const { source } = opened
    let copied = { frames: 0, backfilled: 0 }
    let busy = false
    try {
      // Most of the work is done while writers go on: what was read up to here may be copied.
      this.#handOver(opened)
      source.checkpointPassive()
      await source.withWritersBlocked(async () => {
        await this.#syncOpened(opened)
        source.unpin()
        this.#covered = false
        try {
          copied = await this.#copyWal(opened, mode)
        } finally {
          this.#cover(source.pin())
          this.#sequence = source.identity().sequence
        }
      })
      const complete = copied.backfilled === copied.frames
      if (complete && copied.frames > 0) {
        await source.bump(mode === 'TRUNCATE' ? 0 : walSize(Math.max(this.#options.truncatePages, 0), source.pageSize))
        this.#sequence++
      }
    } catch (error) {
      if (!(error instanceof LitestreamError && error.code === 'DATABASE_BUSY')) throw error
      busy = true
    }
    const before = this.#position
    await this.#syncOpened(opened)
    this.#saveState(opened)
    const index = source.walIndex()
    if (index) this.#policy.done(mode, index, Date.now())
    const restarted = before !== undefined && index !== undefined && !sameGeneration(before, index)
    const complete = !busy && copied.backfilled === copied.frames
    const event = {
      db: this.path,
      mode,
      result: busy ? 'busy' : restarted ? 'restarted' : complete ? 'complete' : 'partial',
      ...copied,
      durationMs: performance.now() - started,
    } as const
    this.#observe('checkpoint', event)
    return event
  }

  /**
   * With TRUNCATE readers are waited for, as long as for a lock: what SQLite's own TRUNCATE does, which cannot be sealed. Another
   * connection that is copying already is always waited for.
   */
  async #copyWal({ source }: OpenedDatabase, mode: CheckpointMode): Promise<{ frames: number; backfilled: number }> {
    const deadline = performance.now() + this.#options.busyTimeout
    for (;;) {
      const done = source.checkpointPassive()
      const { frames, backfilled } = source.walIndex() ?? { frames: 1, backfilled: 0 }
      const wait = mode === 'TRUNCATE' ? backfilled < frames : !done
      if (!wait || performance.now() >= deadline) return { frames, backfilled }
      await delay(1)
    }
  }
}

interface FileToWrite {
  readonly started: number
  readonly runs: Iterable<PageRun>
  readonly commit: number
  readonly start: WalPosition
  readonly end: WalPosition
  readonly stillThere: () => boolean
  /** Whether it leads up to `index`. */
  readonly whole: boolean
  readonly index: WalIndex
  readonly reason?: string | undefined
}

function sameHeader(a: WalHeader | undefined, b: WalHeader): boolean {
  return a !== undefined && sameGeneration(a, b)
}

/** Whether each page by which the database has grown is among `pgnos`. */
function coversGrowth(pgnos: Uint32Array, before: number, after: number, lock: number): boolean {
  if (after <= before) return true
  let missing = after - before - (lock > before && lock <= after ? 1 : 0)
  for (let i = pgnos.length - 1; i >= 0 && pgnos[i]! > before; i--) missing--
  return missing === 0
}
