import type { CompactionScheduler } from '../../../compaction/scheduler.js'
import { DEFAULT_COMPACTION_SETTINGS } from '../../../compaction/settings.js'
import { isLitestreamError, type LitestreamError, toLitestreamError } from '../../../errors.js'
import { clientWhile } from '../../../storage/client-while.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { startTimer, type Timer } from '../../../util/timers.js'
import { reached } from './steps.js'

export interface WriterCompactionParts {
  /**
   * A replica client without caches. Every listing must ask the store, because an earlier owner of
   * the lease may have written files.
   */
  readonly client: ReplicaClient
  /** Intervals of the compaction levels 1, 2, … in milliseconds. */
  readonly intervals: readonly number[]
  /** Whether this process may compact the replica at this moment. */
  readonly allowed: () => boolean
  readonly onError: (error: LitestreamError) => void
}

/**
 * Compacts a replica and writes snapshots of the replica, as long as this process may write. A
 * writer never deletes L0 files. The create-only PUT of the next L0 file decides which of two
 * writers wins. If L0 files were deleted, both writers could create a file with the same name.
 * WriterCompaction runs on the worker thread.
 */
export class WriterCompaction {
  readonly #parts: WriterCompactionParts
  #timer: Timer | undefined
  #scheduler: Promise<CompactionScheduler> | undefined
  #stopping: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: WriterCompactionParts) {
    this.#parts = parts
  }

  /**
   * Starts compaction only after the interval of level 1. A short-lived process therefore compacts
   * no file.
   */
  start(): void {
    if (this.#closed || this.#timer || this.#scheduler) return
    this.#timer = startTimer(this.#parts.intervals[0]!, () => this.#begin()).unref()
  }

  async #begin(): Promise<void> {
    this.#timer = undefined
    const scheduler = this.#stopping.then(() => this.#makeScheduler())
    this.#scheduler = scheduler
    try {
      const ready = await scheduler
      if (this.#scheduler === scheduler) ready.start()
    } catch (error) {
      this.#parts.onError(toLitestreamError(error))
    }
  }

  /** Loads the code for compaction on first use. */
  async #makeScheduler(): Promise<CompactionScheduler> {
    const { CompactionScheduler } = await import('../../../compaction/scheduler.js')
    const { client, intervals, allowed, onError } = this.#parts
    const settings = {
      ...DEFAULT_COMPACTION_SETTINGS,
      levels: intervals.map((interval, i) => ({ level: i + 1, interval })),
      l0Retention: 0,
    }
    const observer = {
      error: ({ error }: { readonly error: unknown }) => {
        if (!isLitestreamError(error, 'ABORTED')) onError(toLitestreamError(error))
      },
      fault: ({ error }: { readonly error: LitestreamError }) => onError(error),
    }
    const mayContinue = () => {
      reached('compaction request')
      return allowed()
    }
    return new CompactionScheduler(clientWhile(mayContinue, client), settings, { observer })
  }

  /**
   * Stops compaction. Resolves when no compaction is running. `start` may be called again after
   * `stop`.
   */
  stop(): Promise<void> {
    this.#timer?.stop()
    this.#timer = undefined
    const scheduler = this.#scheduler
    this.#scheduler = undefined
    if (scheduler) {
      const before = this.#stopping
      this.#stopping = Promise.allSettled([before, scheduler.then((one) => one.stop())]).then(() => undefined)
    }
    return this.#stopping
  }

  /** Stops compaction permanently. Resolves when no compaction is running. */
  close(): Promise<void> {
    this.#closed = true
    return this.stop()
  }
}
