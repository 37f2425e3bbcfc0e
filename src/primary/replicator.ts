import PQueue from 'p-queue'
import type { CompactionScheduler } from '../compaction/scheduler.js'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { DIVERGED_RETENTION_MS } from '../levels/diverged-retention.js'
import type { Divergence } from '../levels/divergence-record.js'
import { KnownLevels } from '../levels/known-levels.js'
import { LeaseKeeper } from '../levels/lease-keeper.js'
import { clientUnderSignal } from '../storage/client-under-signal.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { StoreTurns } from '../storage/store-turns.js'
import { weakFencing } from '../storage/write-guarantees.js'
import { refuseWriteOnce } from '../storage/write-once.js'
import { linkAbort, throwIfAborted } from '../util/abort.js'
import { formatDuration } from '../util/duration.js'
import { GrowingInterval } from '../util/growing-interval.js'
import { monotonicMs } from '../util/monotonic.js'
import { orAborted } from '../util/or-aborted.js'
import { pause } from '../util/pause.js'
import { MAX_DELAY_MS, startTimer, type Timer, warnUnexpected } from '../util/timers.js'
import { type WaitOptions, withDeadline } from '../util/wait.js'
import { Backoff } from './backoff.js'
import { compactionOf } from './compaction-of.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from './events.js'
import { DEFAULT_REPLICATOR_OPTIONS, type ReplicatorOptions } from './options.js'
import type { ReplicatorStatus, SyncOptions, SyncResult } from './replicator-status.js'
import { ScheduledCheck } from './scheduled-check.js'
import { asReplicationError } from './source/database-error.js'
import { beginsResting, firstOpenings, isCrowded, noteStart, shouldRest } from './source/descriptor-budget.js'
import { IdleWatch } from './source/idle-watch.js'
import { PrimaryDatabase } from './sync/primary-database.js'
import { replaceDatabase } from './upload/replace-database.js'
import { ReplicaMonitor } from './upload/replica-monitor.js'
import { UploadLoop } from './upload/upload-loop.js'
import { Uploader } from './upload/uploader.js'

/** Maximum time for which the first sync waits for a response of the store, in milliseconds. */
const ALIGN_MS = 10_000

/**
 * Time that close() may take beyond `shutdownSyncTimeout` to finish a running request, in
 * milliseconds.
 */
const CLOSE_GRACE_MS = 5_000

/**
 * Longest interval between two checks whether the replica has the uploaded files, in milliseconds.
 */
const CHECK_INTERVAL_MS = 60_000
/**
 * Longest interval between two checks of a write-once replica, in milliseconds. The interval is
 * long, because a write-once replica has many files, which only rules of the store delete.
 */
const WRITE_ONCE_CHECK_MS = 3_600_000

/**
 * Interval in milliseconds at which a process checks the replica of one of its resting databases
 * (databases whose files are closed). The number of requests per second therefore does not depend
 * on the number of resting databases.
 */
const RESTING_CHECK_MS = 10_000

/**
 * Closing the files of an idle database may cause a full copy of the database later. After each
 * full copy, the primary doubles the idle time after which the primary closes the files. The idle
 * time is doubled at most MOST_DOUBLINGS times, to 43 minutes.
 */
const MOST_DOUBLINGS = 8

/**
 * The reason with which the wait for a first sync is aborted. No code reads this reason. Without a
 * reason, Node.js would create an exception with a stack for each database.
 */
const ENOUGH = 'the wait has ended'

/**
 * Limits the number of replicas of one store that upload at the same time. An upload of many files
 * waits in this queue several times.
 */
const uploadTurns = new StoreTurns(64)

/**
 * The queue that limits how many databases of this thread run their first sync at the same time.
 */
let firstSyncs: PQueue | undefined
function firstSyncQueue(): PQueue {
  firstSyncs ??= new PQueue({ concurrency: firstOpenings() })
  return firstSyncs
}

/** Compaction starts after the first syncs of all databases have started. */
const AFTER_FIRST_SYNCS = { priority: -1 }
const BEFORE_FIRST_SYNCS = { priority: 1 }

/**
 * Minimum time in milliseconds between two snapshots that compaction requests because of damage.
 * Each snapshot contains the whole database.
 */
const REPAIR_PAUSE_MS = 600_000

/**
 * Replicates one database. A Replicator checks the WAL at intervals, stages and uploads L0 files,
 * retries after errors, and stops when it is fenced.
 */
export class Replicator {
  readonly path: string
  readonly client: KnownLevels
  readonly #options: ReplicatorOptions
  readonly #observe: PrimaryObserver
  readonly #uploads: UploadLoop
  readonly #monitorErrors: Backoff
  /**
   * The delays after a failed checkpoint of an idle database. The checkpoint empties the WAL before
   * the primary closes the files of the idle database.
   */
  readonly #restErrors: Backoff
  /** The monotonic time before which the files of an idle database stay open. */
  #noRestBefore = Number.NEGATIVE_INFINITY
  readonly #replicaMonitor: ReplicaMonitor
  #primary: PrimaryDatabase | undefined
  #opening: Promise<PrimaryDatabase> | undefined
  #uploader: Uploader | undefined
  /**
   * The promise of the replacement, or undefined unless a restore of the replica is replacing a
   * diverged database. Settles when the replacement has ended.
   */
  #replacing: Promise<void> | undefined
  #lease: LeaseKeeper | undefined
  #compaction: CompactionScheduler | undefined
  #check: ScheduledCheck | undefined
  #monitorTimer: Timer | undefined
  /**
   * The monotonic time at which the database file was first missing, or undefined while the file
   * exists.
   */
  #missingSince: number | undefined
  readonly #missingReports = new GrowingInterval()
  /** The error that stopped the replicator without a call of close(). */
  #ended: LitestreamError | undefined
  #closed = false
  #running = false
  #noteEnd = () => {}
  /** The monotonic time at which the latest new commit was found. */
  #changedAt = monotonicMs()
  #changedTxid = 0
  /** The monotonic time at which compaction last requested a snapshot. */
  #repairedAt = Number.NEGATIVE_INFINITY
  /** Aborts all requests to the store when the time limit of close() has passed. */
  readonly #life = new AbortController()

  constructor(path: string, client: ReplicaClient, options: Partial<ReplicatorOptions>, observe: PrimaryObserver) {
    this.path = path
    // Only this primary may write to the replica, so the replica client lists the replica once and
    // then remembers its files.
    this.client = new KnownLevels(clientUnderSignal(client, this.#life.signal))
    this.#options = { ...DEFAULT_REPLICATOR_OPTIONS, ...options }
    this.#observe = observe
    this.#uploads = new UploadLoop({
      db: path,
      interval: this.#options.syncInterval,
      observe,
      batch: () => uploadTurns.run(client.url, () => this.#uploadBatch()),
      recover: (error) => this.#replaceIfDiverged(error),
      isUpToDate: () => this.#uploader?.isUpToDate === true,
      rests: () => this.#primary?.isResting === true,
      onUpToDate: () => this.#onUpToDate(),
    })
    this.#replicaMonitor = new ReplicaMonitor({
      db: path,
      interval: () =>
        this.#primary?.isResting
          ? Math.max(this.#checkInterval, IdleWatch.size * RESTING_CHECK_MS)
          : this.#checkInterval,
      observe,
      check: () => this.#checkReplica(),
    })
    this.#restErrors = new Backoff(path, 'checkpoint', this.#options.monitorInterval, observe)
    this.#monitorErrors = new Backoff(path, 'sync', this.#options.monitorInterval, observe)
    if (this.#options.lease) {
      refuseWriteOnce(client, 'a lease')
      this.#lease = this.#makeLease()
    }
  }

  get #checkInterval(): number {
    const { replicaCheckInterval, compaction } = this.#options
    const levels = compaction ? compaction.levels.map(({ interval }) => interval) : []
    if (replicaCheckInterval !== undefined) return replicaCheckInterval
    return this.client.writeOnce ? WRITE_ONCE_CHECK_MS : Math.min(CHECK_INTERVAL_MS, 2 * Math.min(...levels))
  }

  get #keepDiverged(): number {
    const { compaction } = this.#options
    return compaction ? (compaction.divergedRetention ?? DIVERGED_RETENTION_MS) : DIVERGED_RETENTION_MS
  }

  #makeLease(): LeaseKeeper {
    const errors = new Backoff(this.path, 'lease', this.#options.leaseTtl / 6, this.#observe)
    return new LeaseKeeper(
      this.client,
      { ttl: this.#options.leaseTtl },
      {
        held: () => {
          errors.worked()
          if (!this.#monitorTimer) this.#scheduleMonitor(0)
        },
        lost: (error) => void this.#stopForGood(error),
        failed: (error) => errors.failed(error),
        restored: (reason) => {
          this.#observe('notice', { db: this.path, object: 'lease', reason, action: 'wrote the lease again' })
        },
      },
    )
  }

  /**
   * The database from which compaction and snapshots read, or undefined until the database was
   * opened.
   */
  get primary(): PrimaryDatabase | undefined {
    return this.#primary
  }

  /**
   * The scheduler of compaction, snapshots and retention of the replica. `compaction` is undefined
   * before the first upload, and if the options disable compaction.
   */
  get compaction(): CompactionScheduler | undefined {
    return this.#compaction
  }

  /**
   * Whether the database rests (its files are closed, because nothing changes the database) and the
   * replica has every commit.
   */
  get isSettled(): boolean {
    return this.#primary?.isResting === true && this.#uploader?.isUpToDate === true && !this.#uploader.divergence
  }

  /**
   * Starts the replication in the background. If the database does not exist yet, the replication
   * waits until the database exists.
   */
  start(): void {
    this.#running = true
    this.#noteEnd = noteStart()
    this.#uploads.start()
    if (this.#lease) this.#lease.start()
    else {
      firstSyncQueue()
        .add(() => this.#firstSync())
        .catch(warnUnexpected)
    }
  }

  /**
   * Runs the first sync and the first upload of the database. Resolves when the replica has every
   * commit, when the first upload has failed, or after ALIGN_MS. If the process replicates many
   * databases and this database is idle, `#firstSync` also closes the database's files.
   */
  async #firstSync(): Promise<void> {
    if (!this.#running) return
    if (await this.#beginsResting()) this.#uploads.schedule()
    else await this.#monitor()
    if (!this.#primary) return
    const enough = new AbortController()
    const unlink = linkAbort(this.#life.signal, enough)
    await Promise.race([this.#uploads.onAttempt(), pause(ALIGN_MS, enough.signal)])
    unlink()
    enough.abort(ENOUGH)
    if (this.#primary.isResting) return
    if (await this.#restIfIdle()) this.#monitorTimer?.stop()
  }

  /**
   * Prepares the database without opening its files, if the process has many databases and nothing
   * has changed the files after an earlier process closed them. Returns whether the files are
   * closed. Whether or not the files are closed, the replica is compared with the database.
   */
  async #beginsResting(): Promise<boolean> {
    const { monitorInterval } = this.#options
    if (this.#lease || this.#primary || this.#opening || monitorInterval >= MAX_DELAY_MS || !beginsResting())
      return false
    this.#opening = this.#openResting().then((primary) => primary ?? this.#openAndAlign())
    try {
      this.#primary = await this.#opening
    } catch {
      return false // the first sync fails with the same error and reports it
    } finally {
      this.#opening = undefined
    }
    return this.#primary.isResting
  }

  async #openResting(): Promise<PrimaryDatabase | undefined> {
    const primary = await PrimaryDatabase.openResting(this.path, this.#options, this.#observe, {
      interval: this.#options.monitorInterval,
      onEnd: () => this.#wake(),
    })
    if (primary) this.#uploader = this.#makeUploader(primary)
    return primary
  }

  #makeUploader(primary: PrimaryDatabase): Uploader {
    return new Uploader(primary, this.client, this.#observe, {
      leased: this.#lease !== undefined,
      onDivergence: this.#options.onDivergence,
      keepDiverged: this.#keepDiverged,
    })
  }

  get state(): ReplicatorStatus['state'] {
    if (this.#ended) return this.#ended.code === 'REPLICA_FENCED' ? 'fenced' : 'refused'
    if (this.#closed) return 'closed'
    if (this.#primary && !this.#primary.missing) return 'replicating'
    return this.#lease && !this.#lease.held ? 'standby' : 'waiting'
  }

  status(): ReplicatorStatus {
    const { state } = this
    const none = { db: this.path, txid: 0, pageSize: 0, commit: 0, walFrames: 0, walBackfilled: 0, snapshots: {} }
    return {
      ...(this.#primary?.status() ?? none),
      replica: this.client.url,
      state,
      replicaTxid: this.#uploader?.txid,
      lastSyncAt: this.#uploads.lastSyncAt,
      divergence: this.#uploader?.divergence,
      ownWrites: this.#primary?.ownWrites ?? 0,
      behindMs: this.#uploads.behindMs,
      weakFencing: weakFencing(this.client),
    }
  }

  /**
   * Syncs the database immediately. Throws any error that prevents the sync, but the replication
   * continues in the background. A signal or `timeout` ends only the wait, and the upload continues
   * in the background.
   */
  sync({ wait = false, ...waiting }: SyncOptions = {}): Promise<SyncResult> {
    const work = async () => {
      this.#throwIfStopped()
      const primary = await this.#syncOrEnd()
      if (wait) await this.#uploads.run()
      else this.#uploads.schedule()
      return { txid: primary.txid, replicaTxid: this.#uploader?.txid }
    }
    return withDeadline(`syncing ${this.path}`, waiting, work, { abandon: true })
  }

  async checkpoint(mode: CheckpointMode = 'PASSIVE'): Promise<PrimaryEvents['checkpoint']> {
    this.#throwIfStopped()
    return (await this.#open()).checkpoint(mode)
  }

  /**
   * Records in the replica that a user has acknowledged the divergences of this database. After the
   * acknowledgement, uploads the files that were not uploaded because of the divergences. Returns
   * the divergences that were not acknowledged before. Throws errors of the store.
   */
  acknowledge(waiting: WaitOptions = {}): Promise<readonly Divergence[]> {
    return withDeadline(`acknowledging the divergence of ${this.path}`, waiting, async () => {
      this.#throwIfStopped()
      await this.#open()
      const acknowledged = await this.#uploads.exclusive(async () => this.#uploader!.acknowledge())
      this.#uploads.schedule()
      return acknowledged
    })
  }

  /**
   * Syncs the database a last time, uploads all staged files and closes the database. If the last
   * sync fails, `close` throws the error after it has closed the database. `close` takes at most
   * `shutdownSyncTimeout` plus CLOSE_GRACE_MS. Aborting `signal` ends `close` and its running
   * requests immediately.
   */
  async close(signal?: AbortSignal): Promise<void> {
    if (this.#closed) return
    this.#stopTimers()
    const limit = startTimer(this.#options.shutdownSyncTimeout + CLOSE_GRACE_MS, () =>
      this.#life.abort(new DOMException('the replication was closed before the store answered', 'TimeoutError')),
    )
    const unlink = linkAbort(signal, this.#life)
    try {
      await (this.#primary ? this.#finalSync() : this.#onlySync())
    } catch (error) {
      throw isLitestreamError(error, 'ABORTED') && !signal?.aborted ? this.#unfinished(error) : error
    } finally {
      await this.abandon()
      limit.stop()
      unlink()
    }
  }

  #unfinished(cause: unknown): LitestreamError {
    const { shutdownSyncTimeout } = this.#options
    return new LitestreamError(
      'TIMEOUT',
      `${this.path}: the last sync did not reach ${this.client.url} within ${formatDuration(shutdownSyncTimeout)}`,
      {
        file: this.path,
        cause,
        hint: 'Check that the store responds. The primary uploads the remaining LTX files when it starts again.',
      },
    )
  }

  /**
   * Closes the database and gives up the replica, without a sync. Aborting `signal` cancels the
   * requests to the store.
   */
  async abandon(signal?: AbortSignal): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stopTimers()
    const unlink = linkAbort(signal, this.#life)
    try {
      await Promise.all([this.#compaction?.stop(), this.#check?.stop()])
      await this.#uploads.onIdle()
      await this.#primary?.close()
      await this.#release()
    } finally {
      await this.client.close()
      unlink()
    }
  }

  async #release(): Promise<void> {
    try {
      await this.#uploader?.close()
      await this.#lease?.stop()
    } catch (error) {
      // If this request fails, the writer record and the lease remain in the replica until the
      // lease expires and the next primary overwrites the writer record.
      this.#uploads.errors.gaveUp(asReplicationError(error, this.path))
    }
  }

  #stopTimers(): void {
    this.#running = false
    this.#noteEnd()
    this.#monitorTimer?.stop()
    this.#replicaMonitor.stop()
    this.#uploads.stop()
  }

  /**
   * Runs the only sync of a database that is closed while its first sync still waits in the queue.
   * If close() is aborted during this wait, the database is not opened.
   */
  async #onlySync(): Promise<void> {
    let running: Promise<void> | undefined
    const sync = () => {
      running = this.#finalSync()
      return running
    }
    try {
      await orAborted(firstSyncQueue().add(sync, BEFORE_FIRST_SYNCS), this.#life.signal)
    } catch (error) {
      await running
      throw error
    }
  }

  async #finalSync(): Promise<void> {
    if (this.#ended) return
    throwIfAborted(this.#life.signal, `the last sync of ${this.path}`)
    const deadline = monotonicMs() + this.#options.shutdownSyncTimeout
    if (this.#uploader?.isUpToDate && this.#primary?.restsUnchanged) return
    for (;;) {
      try {
        await this.#syncOrEnd({ checkpoint: false })
        await this.#uploads.run()
        await this.#checkReplica()
        if (this.#uploader?.isUpToDate === false) await this.#uploads.run()
        return
      } catch (error) {
        if (isLitestreamError(error, 'NOT_FOUND', 'DATABASE_REPLACED')) {
          // If the database was deleted, every transaction that was committed before the deletion
          // is staged and must be uploaded.
          await this.#uploads.run()
          return
        }
        if (this.#ended || this.#life.signal.aborted || monotonicMs() >= deadline) throw error
        this.#uploads.errors.failed(asReplicationError(error, this.path))
      }
      await pause(this.#options.shutdownSyncInterval, this.#life.signal)
    }
  }

  #throwIfStopped(): void {
    if (this.#ended) throw this.#ended
    if (this.#closed) {
      throw new LitestreamError('INVALID_ARGUMENT', `${this.path}: replication is closed`, { file: this.path })
    }
  }

  /**
   * Syncs the database. If the sync finds that this process must not replicate the database, stops
   * the replicator.
   */
  async #syncOrEnd(options?: { readonly checkpoint?: boolean }): Promise<PrimaryDatabase> {
    try {
      const primary = await this.#open()
      await primary.sync(options)
      return primary
    } catch (error) {
      if (isLitestreamError(error, 'DATABASE_SHARED')) await this.#stopForGood(error)
      throw error
    }
  }

  /** Opens the database on first use. Concurrent callers wait for the same opening. */
  async #open(): Promise<PrimaryDatabase> {
    // If the replacement of the database failed, the upload has already reported the error.
    await this.#replacing?.catch(ignoredHere)
    await this.#lease?.ensure()
    if (this.#primary) return this.#primary
    this.#opening ??= this.#openAndAlign()
    try {
      this.#primary = await this.#opening
    } finally {
      this.#opening = undefined
    }
    return this.#primary
  }

  async #openAndAlign(): Promise<PrimaryDatabase> {
    const primary = await PrimaryDatabase.open(this.path, this.#options, this.#observe)
    const uploader = this.#makeUploader(primary)
    this.#uploader = uploader
    if (primary.snapshotReason !== undefined) {
      // The TXID of a snapshot depends on the replica's TXIDs. If the store does not respond within
      // ALIGN_MS, the primary stages commits without knowing the replica's TXIDs. If the replica
      // has higher TXIDs, the primary makes the snapshot again later.
      const enough = new AbortController()
      const aligned = this.#uploads.exclusive(() => uploader.align()).catch(ignoredHere)
      const unlink = linkAbort(this.#life.signal, enough)
      await Promise.race([aligned, pause(ALIGN_MS, enough.signal)])
      unlink()
      enough.abort(ENOUGH)
    }
    return primary
  }

  #scheduleMonitor(ms: number): void {
    if (!this.#running) return
    this.#monitorTimer?.stop()
    this.#monitorTimer = startTimer(ms, () => this.#monitor())
  }

  async #monitor(): Promise<void> {
    let next = this.#options.monitorInterval
    const quiet = this.#isQuiet
    try {
      if (!quiet) {
        const { txid } = await this.#syncOrEnd()
        if (txid !== this.#changedTxid) this.#changedAt = monotonicMs()
        this.#changedTxid = txid
      }
      this.#monitorErrors.worked()
      this.#missingSince = undefined
    } catch (error) {
      // A missing database is not an error, because the replicator waits until the database exists.
      const waits = isLitestreamError(error, 'NOT_FOUND') && error.file === this.path
      if (waits) this.#reportMissing(error)
      if (!this.#ended && !waits) {
        next = this.#monitorErrors.failed(asReplicationError(error, this.path))
      }
    }
    // Files that were staged before the sync failed must be uploaded.
    this.#uploads.schedule()
    if (quiet && (await this.#restIfIdle())) return
    this.#scheduleMonitor(next)
  }

  /** Closes the files of an idle database if the process has many databases (see `shouldRest`). */
  async #restIfIdle(): Promise<boolean> {
    const primary = this.#primary
    const { monitorInterval } = this.#options
    if (!primary || !this.#running || this.#lease || this.#replacing || this.#ended) return false
    // If an application opens the database for each commit, each closing of the files here causes a
    // full copy of the database. After each full copy, the files stay open twice as long.
    const idleMs = (monotonicMs() - this.#changedAt) / 2 ** Math.min(primary.costlyRests, MOST_DOUBLINGS)
    if (monitorInterval >= MAX_DELAY_MS || !shouldRest(idleMs) || monotonicMs() < this.#noRestBefore) return false
    try {
      const rests = await primary.rest(monitorInterval, () => this.#wake(), { soon: isCrowded() })
      this.#restErrors.worked()
      if (!rests) return false
    } catch (error) {
      // If the database was deleted or replaced, the next sync fails with this error and reports
      // the error.
      const isOver = !this.#running || this.#ended !== undefined
      if (isOver || isLitestreamError(error, 'NOT_FOUND', 'DATABASE_REPLACED')) return false
      this.#noRestBefore = monotonicMs() + this.#restErrors.failed(asReplicationError(error, this.path))
      return false
    }
    this.#replicaMonitor.reschedule()
    // Another call may have opened the files during this step, and has then also restarted the
    // monitor.
    return primary.isResting
  }

  /** Must be called when the files of a resting database have changed or were opened again. */
  #wake(): void {
    this.#scheduleMonitor(0)
    this.#replicaMonitor.reschedule()
  }

  /**
   * Whether the database has no new commits to sync. With a lease the result is always false,
   * because a sync also checks whether this primary holds the lease.
   */
  get #isQuiet(): boolean {
    return !this.#lease && !this.#replacing && !this.#ended && this.#primary?.isQuiet === true
  }

  /**
   * Reports that the database file does not exist. The path may be a mistake in the configuration.
   * If the path is wrong, the commits of the intended database are not backed up, so the user must
   * see the report.
   */
  #reportMissing({ hint }: LitestreamError): void {
    if (this.#options.allowMissing) return
    if (this.#missingSince === undefined) this.#missingReports.reset()
    this.#missingSince ??= monotonicMs()
    if (!this.#missingReports.due()) return
    this.#observe('missing', { db: this.path, missingMs: monotonicMs() - this.#missingSince, hint })
  }

  /**
   * Checks whether the replica has the uploaded files. If the replica needs a snapshot, the primary
   * uploads a snapshot soon.
   */
  async #checkReplica(): Promise<void> {
    await this.#lease?.ensure()
    await this.#uploads.exclusive(async () => this.#uploader?.check(this.#checkInterval))
    this.#uploads.schedule()
  }

  /**
   * Uploads a snapshot of the database if compaction cannot continue with the files in the replica.
   */
  async #repairFor(error: LitestreamError): Promise<void> {
    if (!this.#running || monotonicMs() - this.#repairedAt < REPAIR_PAUSE_MS) return
    this.#repairedAt = monotonicMs()
    await this.#uploads.exclusive(async () => this.#uploader?.repair(error.message))
    this.#uploads.schedule()
  }

  #onUpToDate(): void {
    if (this.#running) this.#replicaMonitor.start()
    this.#startCompaction()
  }

  /** Starts compaction when the replica has every commit for the first time. */
  #startCompaction(): void {
    const { compaction } = this.#options
    if (this.#compaction || !this.#running || !compaction || !this.#primary) return
    this.#compaction = compactionOf(this.#primary, this.client, compaction, this.#observe, (error) =>
      this.#repairFor(error),
    )
    const started = this.#compaction
    firstSyncQueue()
      .add(async () => started.start(), AFTER_FIRST_SYNCS)
      .catch(warnUnexpected)
    const { validationInterval } = compaction
    if (validationInterval) this.#check = new ScheduledCheck(this.#primary.path, validationInterval, this.#observe)
  }

  async #uploadBatch(): Promise<boolean> {
    if (this.#ended) throw this.#ended
    if (!this.#uploader) return true
    let leased = false
    try {
      await this.#lease?.ensure()
      leased = true
      return await this.#uploader.run(this.#options.maxSyncLtxFiles || undefined)
    } catch (error) {
      const final = !leased || this.#uploader.isFenced
      if (final && isLitestreamError(error, 'REPLICA_FENCED')) await this.#stopForGood(error)
      throw error
    }
  }

  /**
   * If `onDivergence` is `'restore'` and `error` is REPLICA_DIVERGED, replaces the database by a
   * restore of its replica. Returns false if `error` has another code.
   */
  async #replaceIfDiverged(error: unknown): Promise<boolean> {
    if (this.#options.onDivergence !== 'restore' || !isLitestreamError(error, 'REPLICA_DIVERGED')) return false
    this.#replacing ??= this.#uploads.exclusive(() => this.#replaceByReplica())
    try {
      await this.#replacing
    } finally {
      this.#replacing = undefined
    }
    await this.#syncOrEnd()
    return true
  }

  async #replaceByReplica(): Promise<void> {
    const [primary, uploader] = [this.#primary, this.#uploader]
    const divergence = uploader?.divergence
    if (!primary || !uploader || !divergence) return
    await Promise.all([this.#compaction?.stop(), this.#check?.stop()])
    this.#compaction = undefined
    this.#check = undefined
    await primary.close()
    this.#primary = undefined
    await uploader.close()
    const copy = await replaceDatabase(primary, this.client, divergence, this.#life.signal)
    await uploader.acknowledge()
    const reason = 'the database did not continue the newest state of its replica'
    const action = `replaced the database by the newest state of the replica; the old database is kept as ${copy}`
    this.#observe('notice', { db: this.path, object: 'database', reason, action })
  }

  /**
   * Ends all use of the database, because another primary writes to the replica or another copy of
   * SQLite uses the database.
   */
  async #stopForGood(error: LitestreamError): Promise<void> {
    if (this.#ended) return
    this.#ended = error
    this.#stopTimers()
    this.#uploads.errors.gaveUp(error)
    await Promise.all([this.#compaction?.stop(), this.#check?.stop()])
    await this.#primary?.close()
  }
}

/** Ignores an error, because the next upload fails with the same error and reports the error. */
function ignoredHere(): void {}
