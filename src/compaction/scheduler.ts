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

/**
 * Receives the events of a scheduler for logs and metrics, on the thread of the scheduler. Must not
 * throw.
 */
export interface CompactionObserver {
  /** Called after a file of level 1 to 9 was written. */
  written?(event: { readonly level: number; readonly file: LtxFileInfo; readonly durationMs: number }): void
  deleted?(event: { readonly level: number; readonly files: readonly LtxFileInfo[] }): void
  /** Called if the files of one level have a gap or an overlap. */
  fault?(event: { readonly level: number; readonly error: LitestreamError }): void
  /** Called when all tasks succeed again and no level has a gap or an overlap. */
  recovered?(): void
  /**
   * Called when a task failed. The scheduler retries the task. `failures` is the number of
   * consecutive failures.
   */
  error?(event: {
    readonly task: CompactionTask
    readonly level: number | undefined
    readonly error: unknown
    readonly failures: number
    /** Milliseconds until the scheduler repeats the task. */
    readonly retryMs: number
  }): void
}

export interface CompactionSchedulerOptions {
  readonly observer?: CompactionObserver
  readonly local?: MergeFilesOptions['local']
  /** Default: the system clocks. */
  readonly clock?: Clock
  /**
   * Writes a snapshot of the live database. By default, the scheduler merges files of the replica
   * into a snapshot.
   */
  readonly snapshot?: (signal: AbortSignal) => Promise<LtxFileInfo | undefined>
  /**
   * Called if no new TXID exists when a scheduled snapshot is due. `renew` creates a new TXID, so
   * that the next scheduled snapshot is written. Without a new snapshot, a store that deletes old
   * objects would delete the only snapshot of an idle database.
   */
  readonly renew?: () => Promise<void>
  /**
   * Called if LTX files that a task reads are damaged or missing in the replica. Only a new
   * snapshot of the database can repair the replica.
   */
  readonly onDamage?: (error: LitestreamError) => void
}

/** Errors about LTX files that a retry cannot repair. */
const DAMAGE = ['LTX_GAP', 'LTX_CORRUPT', 'PAGE_SIZE_MISMATCH', 'TXID_NOT_AVAILABLE'] as const

/**
 * Shortest and longest wait in milliseconds before a failed task is repeated. Each further failure
 * doubles the wait.
 */
const RETRY_FIRST = 1000
const RETRY_MOST = 60_000
/**
 * Longest interval in milliseconds between runs of a task that has no work as long as the replica
 * does not change.
 */
const IDLE_MOST = 3_600_000

/** Limits the number of replicas in one store whose scheduled tasks run at the same time to 16. */
const turns = new StoreTurns(16)

interface Job {
  readonly task: CompactionTask
  readonly level: number | undefined
  readonly interval: number
  /**
   * Runs the task. Resolves with a number of milliseconds. For this many milliseconds, the task has
   * no work unless the replica changes.
   */
  readonly run: (signal: AbortSignal) => Promise<number>
  /**
   * Time of the task's next run on the monotonic clock. A change of the wall clock therefore
   * neither repeats nor delays the next run.
   */
  due: number
  failures: number
  /**
   * Whether the next run is later than the interval of the task, because the task has no work until
   * the replica changes.
   */
  isPutOff: boolean
}

/**
 * Runs compaction, snapshots and retention of one replica on schedule. Each task runs at the start,
 * and then at multiples of its interval in UTC. Tasks run one at a time, lower levels before higher
 * levels. If a user changes the wall clock, the next run of a task is still at most one interval
 * later.
 *
 * If `client` is a KnownLevels client through which all uploads go, the scheduler sends no requests
 * to the store while the database is idle. A task without work waits until the replica changes.
 *
 * `compact`, `snapshot`, `enforceRetention` and `validate` run one task immediately and throw the
 * errors of this task.
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
  /** The levels that have a gap or an overlap. */
  readonly #broken = new Set<number>()
  /**
   * Whether the scheduler has called `error` or `fault`, and has not called `recovered` since then.
   */
  #isReported = false
  #timer: Timer | undefined
  #started: Promise<void> | undefined
  /** Number of changes of the replica that the KnownLevels client has reported. */
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

  /** Starts the schedule, unless `stop` was called before. */
  start(): void {
    if (!this.#stop.signal.aborted) this.#started ??= this.#turn()
  }

  /** Resolves when every task has run once after `start`. */
  async ready(): Promise<void> {
    await this.#started
  }

  /** Aborts the running task, and resolves when that task has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#timer?.stop()
    await this.#queue.onIdle()
  }

  /** Merges the new files of the level below into level `level`. */
  compact(level: number): Promise<LtxFileInfo[]> {
    return this.#exclusive((signal) => this.#compact(level, signal))
  }

  /**
   * Writes a snapshot of the newest state. Resolves with undefined if the newest snapshot already
   * contains the newest state.
   */
  snapshot(): Promise<LtxFileInfo | undefined> {
    return this.#exclusive((signal) => this.#snapshot(signal))
  }

  /** Deletes old files according to the settings. Deletes no files if retention is disabled. */
  async enforceRetention(): Promise<void> {
    await this.#exclusive(async (signal) => {
      await this.#l0Retention(signal)
      await this.#snapshotRetention(signal)
    })
  }

  /**
   * Checks all levels for gaps and overlaps. Resolves with true if no level has a gap or an
   * overlap.
   */
  validate(): Promise<boolean> {
    return this.#exclusive((signal) => this.#validate(signal))
  }

  #exclusive<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#queue.add(async () => {
      // Other programs may have changed the replica, so a task that the caller starts must list the
      // files again.
      this.#forget()
      return act(this.#stop.signal)
    })
  }

  /**
   * Makes the KnownLevels client list the levels of the replica again instead of using its cached
   * listings.
   */
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

  /** Schedules the tasks that wait for a change of the replica. */
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

  /** Runs every task that is due, and reports the tasks that fail. */
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
      // An empty replica is not reported as an error, but the task is retried like a failed task.
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
   * Returns whether the level already has a file from the current window. An earlier process, or
   * another running process, may have written the file.
   */
  async #tooEarly(level: number, interval: number, signal: AbortSignal): Promise<boolean> {
    const newest = await this.#newestOf(level, signal)
    const start = windowStart(this.#clock.now(), interval)
    // If the creation time is after the window, a clock was wrong, and the file may be from an
    // earlier window.
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
    // The task must run at every interval, even if the replica has not changed. `renew` prevents
    // the store from deleting the only snapshot.
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
      // The damaged file is reported as a fault. The level is not marked as broken, because a
      // snapshot contains the transactions of the damaged file.
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
   * Lists the levels again before deleting, because another program may have deleted L1 files that
   * are in the cached listings.
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
