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
  /** Uploads one batch of staged files. Returns true if no staged file is left to upload. */
  readonly batch: () => Promise<boolean>
  /**
   * Called with an error of `batch`. Resolves with true if the cause of the error is gone, so that
   * the upload continues.
   */
  readonly recover: (error: unknown) => Promise<boolean>
  /** Whether the replica has every staged file. */
  readonly isUpToDate: () => boolean
  /**
   * Whether the database rests, which means that its files are closed and no new L0 file is staged.
   */
  readonly rests: () => boolean
  /** Called when the replica has every staged file. */
  readonly onUpToDate: () => void
}

/**
 * Schedules the uploads of one database. An upload begins soon after a file was staged, but two
 * uploads begin at least `interval` apart. A failed upload is retried.
 */
export class UploadLoop {
  readonly errors: Backoff
  readonly #parts: UploadLoopParts
  /**
   * The queue of uploads, which runs only one upload at a time. With two concurrent uploads, the
   * second upload would find the first upload's file and treat that file as a file of another
   * primary.
   */
  readonly #uploads = new PQueue({ concurrency: 1 })
  readonly #waiting: (() => void)[] = []
  #timer: Timer | undefined
  /** The monotonic time at which the last upload began. */
  #lastAt = Number.NEGATIVE_INFINITY
  #lastSyncAt: number | undefined
  /** The latest monotonic time at which the replica had every commit. */
  #completeAt: number | undefined
  #running = false

  constructor(parts: UploadLoopParts) {
    this.#parts = parts
    this.errors = new Backoff(parts.db, 'upload', parts.interval, parts.observe)
  }

  /** The latest time at which the replica had every commit, in milliseconds since the epoch. */
  get lastSyncAt(): number | undefined {
    this.#updateIfComplete()
    return this.#lastSyncAt
  }

  /**
   * Milliseconds since the latest time at which the replica had every commit, or undefined if the
   * replica has not had every commit yet.
   */
  get behindMs(): number | undefined {
    this.#updateIfComplete()
    return this.#completeAt === undefined ? undefined : monotonicMs() - this.#completeAt
  }

  /**
   * If the replica has every commit, sets `lastSyncAt` to now and `behindMs` to 0. A
   * database whose files are closed does not call `schedule`, which otherwise updates these times.
   */
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

  /** Stops the loop, so that no further upload is scheduled. */
  stop(): void {
    this.#running = false
    this.#timer?.stop()
    this.#timer = undefined
  }

  /** Schedules an upload soon, unless the replica has every staged file. */
  schedule(ms?: number): void {
    if (!this.#running || this.#timer) return
    if (this.#parts.isUpToDate()) {
      this.#complete()
      return
    }
    const due = ms ?? Math.max(0, this.#lastAt + this.#parts.interval - monotonicMs())
    this.#timer = startTimer(due, () => this.#runSoon())
  }

  /**
   * Resolves after the next successful or failed upload. Resolves immediately if the replica has
   * every staged file.
   */
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

  /** Uploads all staged files in batches. Other work can run between two batches. */
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
