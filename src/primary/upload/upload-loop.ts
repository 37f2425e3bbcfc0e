import PQueue from 'p-queue'
import { monotonicMs } from '../../util/monotonic.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { Backoff } from '../backoff.js'
import type { PrimaryObserver } from '../events.js'
import { asReplicationError } from '../source/database-error.js'

export interface UploadLoopParts {
  readonly db: string
  /** Minimum time between two uploads, in milliseconds. */
  readonly interval: number
  readonly observe: PrimaryObserver
  /** Uploads one batch; returns whether nothing is left to upload. */
  readonly batch: () => Promise<boolean>
  /**
   * Called with an error of `batch`; returns true if it has removed the cause, so that the upload
   * continues.
   */
  readonly recover: (error: unknown) => Promise<boolean>
  /** Whether the replica has every staged file. */
  readonly isUpToDate: () => boolean
  /** Whether nothing changes the database, so that nothing will be staged until that ends. */
  readonly rests: () => boolean
  /** The replica has everything. */
  readonly onUpToDate: () => void
}

/**
 * Schedules uploads: soon after files are staged, not more often than configured, and again after
 * errors.
 */
export class UploadLoop {
  readonly errors: Backoff
  readonly #parts: UploadLoopParts
  /**
   * Only one upload runs at a time: a second one would find the file of the first and take it for
   * another primary's.
   */
  readonly #uploads = new PQueue({ concurrency: 1 })
  readonly #waiting: (() => void)[] = []
  #timer: Timer | undefined
  /** By the monotonic clock. */
  #lastAt = Number.NEGATIVE_INFINITY
  #lastSyncAt: number | undefined
  /** When the replica last had every commit, by the monotonic clock. */
  #completeAt: number | undefined
  #running = false

  constructor(parts: UploadLoopParts) {
    this.#parts = parts
    this.errors = new Backoff(parts.db, 'upload', parts.interval, parts.observe)
  }

  /** When the replica last had every commit, in milliseconds since the epoch. */
  get lastSyncAt(): number | undefined {
    this.#updateIfComplete()
    return this.#lastSyncAt
  }

  /**
   * Time since then, milliseconds; undefined before the replica had everything for the first time.
   */
  get behindMs(): number | undefined {
    this.#updateIfComplete()
    return this.#completeAt === undefined ? undefined : monotonicMs() - this.#completeAt
  }

  /** A resting database does not call `schedule`. */
  #updateIfComplete(): void {
    if (this.#parts.rests() && this.#parts.isUpToDate()) this.#complete()
  }

  #complete(): void {
    this.#lastSyncAt = Date.now()
    this.#completeAt = monotonicMs()
  }

  start(): void {
    this.#running = true
  }

  /** No further upload is scheduled. */
  stop(): void {
    this.#running = false
    this.#timer?.stop()
    this.#timer = undefined
  }

  /** Schedules an upload soon, if there is anything to upload. */
  schedule(ms?: number): void {
    if (!this.#running || this.#timer) return
    if (this.#parts.isUpToDate()) {
      this.#complete()
      return
    }
    const due = ms ?? Math.max(0, this.#lastAt + this.#parts.interval - monotonicMs())
    this.#timer = startTimer(due, () => this.#runSoon())
  }

  /** Resolves after the next attempt, failed or not; immediately if the replica has everything. */
  async onAttempt(): Promise<void> {
    if (this.#parts.isUpToDate()) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async #runSoon(): Promise<void> {
    let next: number | undefined
    try {
      await this.run()
    } catch (error) {
      if (this.#running) next = this.errors.failed(asReplicationError(error, this.#parts.db))
    }
    this.#timer = undefined
    for (const resolve of this.#waiting.splice(0)) resolve()
    if (next !== undefined) this.schedule(next)
  }

  /** Uploads everything, in batches so that other work can run in between. */
  async run(): Promise<void> {
    for (let all = false; !all; ) {
      this.#lastAt = monotonicMs()
      try {
        all = await this.exclusive(this.#parts.batch)
      } catch (error) {
        if (!(await this.#parts.recover(error))) throw error
      }
    }
    this.errors.worked()
    this.#complete()
    this.#parts.onUpToDate()
  }

  /** Runs `work` while no upload is running. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#uploads.add(work) as Promise<T>
  }

  onIdle(): Promise<void> {
    return this.#uploads.onIdle()
  }
}
