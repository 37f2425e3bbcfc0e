import type { CompactionScheduler } from '../../../compaction/scheduler.js'
import { isLitestreamError, type LitestreamError, toLitestreamError } from '../../../errors.js'
import { clientWhile } from '../../../storage/client-while.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { startTimer, type Timer } from '../../../util/timers.js'

export interface WriterCompactionParts {
  /** Without caches. Every listing asks the store: an earlier owner of the lease may have written files. */
  readonly client: ReplicaClient
  /** Of levels 1, 2, …, milliseconds. */
  readonly intervals: readonly number[]
  /** Whether this process has the right to compact at this moment. */
  readonly allowed: () => boolean
  readonly onError: (error: LitestreamError) => void
}

/**
 * The levels and snapshots of a replica while this process has the right to write it. L0 files are never deleted: the create-only PUT
 * of the next one decides between two writers, and a name that is free again would let both win. Worker thread.
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

  /** Begins after the interval of level 1, so that a process that only lives for some commits compacts nothing. */
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

  /** The code of compaction is loaded by processes that compact. */
  async #makeScheduler(): Promise<CompactionScheduler> {
    const { CompactionScheduler, DEFAULT_COMPACTION_SETTINGS } = await import('../../../compaction/scheduler.js')
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
    return new CompactionScheduler(clientWhile(allowed, client), settings, { observer })
  }

  /** Returns when nothing runs any more. `start` may be called again. */
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

  /** `stop`, for good. */
  close(): Promise<void> {
    this.#closed = true
    return this.stop()
  }
}
