import PQueue from 'p-queue'
import { isLitestreamError, type LitestreamError } from '../errors.js'
import { KnownLevels } from '../levels/known-levels.js'
import { listLevels } from '../levels/plan.js'
import { unexplainedFaults } from '../levels/verify-replica.js'
import { SNAPSHOT_LEVEL } from '../ltx/format.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { StoreTurns } from '../storage/store-turns.js'
import { retryDelay } from '../util/back-off.js'
import { type Clock, systemClock } from '../util/clock.js'
import { elapsedMs } from '../util/elapsed.js'
import { startTimer, type Timer } from '../util/timers.js'
import { compact, listLevel, type MergeFilesOptions } from './compact.js'
import { FileAges } from './file-ages.js'
import { enforceL0Retention, enforceSnapshotRetention, oldL0Files, oldSnapshots } from './retention.js'
import type { CompactionSettings } from './settings.js'
import { createSnapshot } from './snapshot.js'
import { nextWindow, windowStart } from './window.js'

export type CompactionTask = 'compact' | 'snapshot' | 'l0-retention' | 'snapshot-retention' | 'validate'

/** Events of a scheduler for logs and metrics. Called on the scheduler's thread; must not throw. */
export interface CompactionObserver {
  /** A file of level 1..9 was written. */
  written?(event: { readonly level: number; readonly file: LtxFileInfo; readonly durationMs: number }): void
  deleted?(event: { readonly level: number; readonly files: readonly LtxFileInfo[] }): void
  /** A gap or an overlap between the files of a level. */
  fault?(event: { readonly level: number; readonly error: LitestreamError }): void
  /** No task fails any more, and no fault is left. */
  recovered?(): void
  /** A task failed and will be retried; `failures`: number of consecutive failures so far. */
  error?(event: {
    readonly task: CompactionTask
    readonly level: number | undefined
    readonly error: unknown
    readonly failures: number
    /** Time until the retry, in milliseconds. */
    readonly retryMs: number
  }): void
}

export interface CompactionSchedulerOptions {
  readonly observer?: CompactionObserver
  readonly local?: MergeFilesOptions['local']
  /** Default: the system's clocks. */
  readonly clock?: Clock
  /** Makes a snapshot from the live database instead of the replica's files. */
  readonly snapshot?: (signal: AbortSignal) => Promise<LtxFileInfo | undefined>
  /**
   * Called if a scheduled snapshot has nothing new: makes a new TXID, so that the next one does. A
   * store whose rules delete files by age would otherwise delete the only snapshot of an idle
   * database.
   */
  readonly renew?: () => Promise<void>
  /**
   * Called if files that a task needs are damaged or missing in the replica: only a new snapshot of
   * the database helps.
   */
  readonly onDamage?: (error: LitestreamError) => void
}

/** Errors about files of the replica that a retry cannot fix. */
const DAMAGE = ['LTX_GAP', 'LTX_CORRUPT', 'PAGE_SIZE_MISMATCH', 'TXID_NOT_AVAILABLE'] as const

/**
 * First and longest retry interval after failures of a task, in milliseconds; doubled each time.
 */
const RETRY_FIRST = 1000
const RETRY_MOST = 60_000
/**
 * Longest interval in milliseconds at which a task runs that has nothing to do until the replica
 * changes.
 */
const IDLE_MOST = 3_600_000

/** Replicas of one store whose scheduled tasks run at the same time. */
const turns = new StoreTurns(16)

interface Job {
  readonly task: CompactionTask
  readonly level: number | undefined
  readonly interval: number
  /** Resolves with the time in milliseconds after which it may have work although nothing changed. */
  readonly run: (signal: AbortSignal) => Promise<number>
  /** By the monotonic clock, so that setting the wall clock neither repeats nor delays a task. */
  due: number
  failures: number
  /** Whether it waits longer than its interval, because the replica does not change. */
  isPutOff: boolean
}

/**
 * Compacts, snapshots and cleans up the replica of one database on schedule: each task runs once at
 * the start and then at multiples of its interval in UTC, lower levels before higher ones. Tasks
 * run one at a time. If the wall clock is set, a task still runs after at most its interval. With a
 * KnownLevels client, through which all uploads go, it sends no request to the store while the
 * database is idle, and a task that has nothing to do runs again when the replica has changed.
 *
 * The methods other than start and stop run one task now, and throw its errors.
 */
export class CompactionScheduler {
  readonly #client: ReplicaClient
  readonly #settings: CompactionSettings
  readonly #options: CompactionSchedulerOptions
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #stop = new AbortController()
  readonly #clock: Clock
  readonly #l0Ages: FileAges
  readonly #snapshotAges: FileAges
  readonly #jobs: Job[]
  /** Levels with a gap or an overlap. */
  readonly #broken = new Set<number>()
  /** Whether an error or a fault was reported that `recovered` did not follow. */
  #isReported = false
  #timer: Timer | undefined
  #started: Promise<void> | undefined
  /** Number of changes of the replica through a KnownLevels client. */
  #changes = 0
  #turning = false

  constructor(client: ReplicaClient, settings: CompactionSettings, options: CompactionSchedulerOptions = {}) {
    this.#client = client
    this.#settings = settings
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#l0Ages = new FileAges(settings.l0Retention, this.#clock)
    this.#snapshotAges = new FileAges(settings.snapshot.retention, this.#clock)
    this.#jobs = this.#makeJobs()
    if (client instanceof KnownLevels) client.onChange = () => this.#changed()
  }

  /** No effect after `stop`. */
  start(): void {
    if (!this.#stop.signal.aborted) this.#started ??= this.#turn()
  }

  /** Resolves when every task has run once after start. */
  async ready(): Promise<void> {
    await this.#started
  }

  /** Cancels the running task at the next possible point. Resolves when no task is running. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#timer?.stop()
    await this.#queue.onIdle()
  }

  /** Brings one level up to date. */
  compact(level: number): Promise<LtxFileInfo[]> {
    return this.#exclusive((signal) => this.#compact(level, signal))
  }

  /** Makes a snapshot of the newest state; undefined if one exists already. */
  snapshot(): Promise<LtxFileInfo | undefined> {
    return this.#exclusive((signal) => this.#snapshot(signal))
  }

  /** Deletes files according to the settings; none if retention is disabled. */
  async enforceRetention(): Promise<void> {
    await this.#exclusive(async (signal) => {
      await this.#l0Retention(signal)
      await this.#snapshotRetention(signal)
    })
  }

  /** Checks all levels for gaps and overlaps, and returns whether there were none. */
  validate(): Promise<boolean> {
    return this.#exclusive((signal) => this.#validate(signal))
  }

  #exclusive<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#queue.add(async () => {
      // The caller may know of changes by other programs.
      this.#forget()
      return act(this.#stop.signal)
    })
  }

  /** Makes the next listings ask the store instead of the remembered levels. */
  #forget(): void {
    if (this.#client instanceof KnownLevels) this.#client.forget()
  }

  async #newestOf(level: number, signal: AbortSignal): Promise<LtxFileInfo | undefined> {
    return (await listLevel(this.#client, level, 0, signal)).at(-1)
  }

  #makeJobs(): Job[] {
    const { levels, snapshot, validationInterval, l0RetentionCheckInterval, retentionEnabled } = this.#settings
    const job = (task: CompactionTask, interval: number, run: Job['run'], level?: number): Job => {
      return { task, level, interval, run, due: Number.NEGATIVE_INFINITY, failures: 0, isPutOff: false }
    }
    const jobs = [...levels]
      .sort((a, b) => a.level - b.level)
      .map(({ level, interval }) =>
        job('compact', interval, (signal) => this.#compactInWindow(level, interval, signal), level),
      )
    jobs.push(
      job('snapshot', snapshot.interval, (signal) => this.#snapshotInWindow(snapshot.interval, signal), SNAPSHOT_LEVEL),
    )
    if (retentionEnabled) {
      jobs.push(job('l0-retention', l0RetentionCheckInterval, (signal) => this.#l0Retention(signal), 0))
      jobs.push(
        job('snapshot-retention', snapshot.interval, (signal) => this.#snapshotRetention(signal), SNAPSHOT_LEVEL),
      )
    }
    if (validationInterval) {
      jobs.push(
        job('validate', validationInterval, async (signal) => {
          await this.#validate(signal)
          return 0
        }),
      )
    }
    return jobs
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return
    const due = Math.min(...this.#jobs.map((job) => job.due))
    this.#timer = startTimer(Math.max(0, due - this.#clock.monotonic()), () => this.#turn())
  }

  async #turn(): Promise<void> {
    this.#turning = true
    await turns.run(this.#client.url, () => this.runDue())
    this.#turning = false
    this.#schedule()
  }

  /** Tasks that were put off have work again. */
  #changed(): void {
    this.#changes++
    const putOff = this.#jobs.filter(({ isPutOff }) => isPutOff)
    if (putOff.length === 0) return
    for (const job of putOff) {
      job.isPutOff = false
      job.due = Math.min(job.due, this.#clock.monotonic() + this.#untilWindow(job))
    }
    if (this.#turning || !this.#timer) return
    this.#timer.stop()
    this.#schedule()
  }

  #untilWindow({ interval }: Job): number {
    const now = this.#clock.now()
    return nextWindow(now, interval) - now
  }

  /** Runs every task that is due, and reports those that fail. */
  async runDue(): Promise<void> {
    for (const job of this.#jobs) {
      if (this.#stop.signal.aborted) return
      if (job.due > this.#clock.monotonic()) continue
      await this.#queue.add(() => this.#runJob(job))
    }
  }

  async #runJob(job: Job): Promise<void> {
    const { task, level } = job
    const changes = this.#changes
    job.isPutOff = false
    try {
      const idle = Math.min(await job.run(this.#stop.signal), IDLE_MOST)
      this.#succeeded(job)
      const wait = this.#untilWindow(job)
      job.isPutOff = idle > wait && changes === this.#changes && this.#client instanceof KnownLevels
      job.due = this.#clock.monotonic() + (job.isPutOff ? idle : wait)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#forget()
      const retryMs = retryDelay(++job.failures, RETRY_FIRST, RETRY_MOST)
      job.due = this.#clock.monotonic() + retryMs
      // An empty replica is not an error; the task is retried later.
      if (isLitestreamError(error, 'REPLICA_EMPTY')) return
      if (isLitestreamError(error, ...DAMAGE)) this.#options.onDamage?.(error)
      this.#isReported = true
      this.#options.observer?.error?.({ task, level, error, failures: job.failures, retryMs })
    }
  }

  #succeeded(job: Job): void {
    job.failures = 0
    if (!this.#isReported || this.#broken.size > 0) return
    if (this.#jobs.some(({ failures }) => failures > 0)) return
    this.#isReported = false
    this.#options.observer?.recovered?.()
  }

  /**
   * Whether the level got a file in this window already: before a restart, or from another process.
   */
  async #tooEarly(level: number, interval: number, signal: AbortSignal): Promise<boolean> {
    const newest = await this.#newestOf(level, signal)
    const start = windowStart(this.#clock.now(), interval)
    // A time beyond this window comes from a clock that was ahead, and does not show when the file
    // was written.
    return newest !== undefined && newest.createdAt >= start && newest.createdAt < start + interval
  }

  async #compactInWindow(level: number, interval: number, signal: AbortSignal): Promise<number> {
    if (await this.#tooEarly(level, interval, signal)) return 0
    await this.#compact(level, signal)
    return Number.POSITIVE_INFINITY
  }

  async #snapshotInWindow(interval: number, signal: AbortSignal): Promise<number> {
    if (await this.#tooEarly(SNAPSHOT_LEVEL, interval, signal)) return 0
    if (!(await this.#snapshot(signal))) await this.#options.renew?.()
    // `renew` runs at every interval: it keeps the store from deleting the only snapshot.
    return 0
  }

  #written(file: LtxFileInfo, started: number): void {
    this.#options.observer?.written?.({ level: file.level, file, durationMs: elapsedMs() - started })
  }

  async #compact(level: number, signal: AbortSignal): Promise<LtxFileInfo[]> {
    const started = elapsedMs()
    const { local } = this.#options
    const files = await compact(this.#client, {
      level,
      signal,
      ...(local ? { local } : {}),
      // The damage is reported but does not count as a fault: a snapshot contains the transactions
      // of the file.
      onDamaged: (error) => this.#fault(level, error),
    })
    for (const file of files) this.#written(file, started)
    if (files.length > 0 && this.#settings.verifyCompaction) {
      this.#forget()
      const snapshots = await listLevel(this.#client, SNAPSHOT_LEVEL, 0, signal)
      const listed = await listLevel(this.#client, level, 0, signal)
      this.#broken.delete(level)
      await this.#report([...Array.from({ length: level }, () => []), listed], snapshots, signal)
    }
    return files
  }

  async #snapshot(signal: AbortSignal): Promise<LtxFileInfo | undefined> {
    const started = elapsedMs()
    const { local, snapshot } = this.#options
    const file = snapshot
      ? await snapshot(signal)
      : await createSnapshot(this.#client, { signal, ...(local ? { local } : {}) })
    if (file) this.#written(file, started)
    return file
  }

  /**
   * Asks the store before deleting: the newest compacted file in the remembered levels may have
   * been deleted by another program.
   */
  async #l0Retention(signal: AbortSignal): Promise<number> {
    const { retentionEnabled, l0Retention, divergedRetention: diverged } = this.#settings
    if (!retentionEnabled) return Number.POSITIVE_INFINITY
    const now = this.#l0Ages.begin()
    let nextOld = Number.POSITIVE_INFINITY
    const createdAt = (file: LtxFileInfo) => {
      const at = this.#l0Ages.createdAt(file, now)
      if (at >= now - l0Retention) nextOld = Math.min(nextOld, at + l0Retention - now + 1)
      return at
    }
    const options = { l0Retention, now, createdAt, signal, ...(diverged === undefined ? {} : { diverged }) }
    if ((await oldL0Files(this.#client, options)).length === 0) return nextOld
    this.#forget()
    this.#deleted(await enforceL0Retention(this.#client, options))
    return nextOld
  }

  async #snapshotRetention(signal: AbortSignal): Promise<number> {
    const { retentionEnabled, snapshot, divergedRetention: diverged } = this.#settings
    if (!retentionEnabled) return Number.POSITIVE_INFINITY
    const now = this.#snapshotAges.begin()
    const createdAt = (file: LtxFileInfo) => this.#snapshotAges.createdAt(file, now)
    const { retention } = snapshot
    const options = { retention, now, createdAt, signal, ...(diverged === undefined ? {} : { diverged }) }
    if ((await oldSnapshots(this.#client, options)).length === 0) return 0
    this.#forget()
    this.#deleted(await enforceSnapshotRetention(this.#client, options))
    return 0
  }

  #deleted(files: readonly LtxFileInfo[]): void {
    for (const level of new Set(files.map((file) => file.level))) {
      this.#options.observer?.deleted?.({ level, files: files.filter((file) => file.level === level) })
    }
  }

  async #validate(signal: AbortSignal): Promise<boolean> {
    this.#forget()
    const levels = await listLevels(this.#client, signal)
    this.#broken.clear()
    return this.#report(levels, levels[SNAPSHOT_LEVEL] ?? [], signal)
  }

  async #report(
    levels: readonly (readonly LtxFileInfo[])[],
    snapshots: readonly LtxFileInfo[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const faults = await unexplainedFaults(this.#client, levels, { snapshots, signal })
    for (const { file, error } of faults) {
      this.#broken.add(file.level)
      this.#fault(file.level, error)
    }
    return faults.length === 0
  }

  #fault(level: number, error: LitestreamError): void {
    this.#isReported = true
    this.#options.observer?.fault?.({ level, error })
  }
}
