import PQueue from 'p-queue'
import { monotonicMs } from '../../util/monotonic.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { Backoff } from '../backoff.js'
import type { PrimaryObserver } from '../events.js'
import { asReplicationError } from '../source/database-error.js'

export interface UploadLoopParts {
  readonly db: string
  /** Minimum time between two uploads, milliseconds. */
  readonly interval: number
  readonly observe: PrimaryObserver
  /** Uploads one batch; returns whether that was all. */
  readonly batch: () => Promise<boolean>
  /** Whether the replica has everything that is staged. */
  readonly isUpToDate: () => boolean
  /** The replica has everything. */
  readonly onUpToDate: () => void
}

/** Says when uploads run: soon after there is something, not more often than wanted, and again after errors. */
export class UploadLoop {
  readonly errors: Backoff
  readonly #parts: UploadLoopParts
  /** One at a time, or a second upload would meet its own file and look like another primary. */
  readonly #uploads = new PQueue({ concurrency: 1 })
  #timer: Timer | undefined
  /** By the monotonic clock. */
  #lastAt = Number.NEGATIVE_INFINITY
  #lastSyncAt: number | undefined
  #running = false

  constructor(parts: UploadLoopParts) {
    this.#parts = parts
    this.errors = new Backoff(parts.db, 'upload', parts.interval, parts.observe)
  }

  /** When the replica last had everything, milliseconds since the epoch. */
  get lastSyncAt(): number | undefined {
    return this.#lastSyncAt
  }

  start(): void {
    this.#running = true
  }

  /** No upload begins by itself any more. */
  stop(): void {
    this.#running = false
    this.#timer?.stop()
    this.#timer = undefined
  }

  /** Sees to it that an upload runs soon, if there is anything to upload. */
  schedule(ms?: number): void {
    if (!this.#running || this.#timer) return
    if (this.#parts.isUpToDate()) {
      this.#lastSyncAt = Date.now()
      return
    }
    const due = ms ?? Math.max(0, this.#lastAt + this.#parts.interval - monotonicMs())
    this.#timer = startTimer(due, () => this.#runSoon())
  }

  async #runSoon(): Promise<void> {
    let next: number | undefined
    try {
      await this.run()
    } catch (error) {
      if (this.#running) next = this.errors.failed(asReplicationError(error, this.#parts.db))
    }
    this.#timer = undefined
    if (next !== undefined) this.schedule(next)
  }

  /** Uploads all there is, in batches so that others may have their turn. */
  async run(): Promise<void> {
    for (let all = false; !all; ) {
      this.#lastAt = monotonicMs()
      all = await this.exclusive(this.#parts.batch)
    }
    this.errors.worked()
    this.#lastSyncAt = Date.now()
    this.#parts.onUpToDate()
  }

  /** Runs `work` while no upload does. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#uploads.add(work) as Promise<T>
  }

  onIdle(): Promise<void> {
    return this.#uploads.onIdle()
  }
}
