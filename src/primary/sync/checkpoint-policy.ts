import type { WalIndex } from '../../wal/wal-index.js'
import type { CheckpointMode } from '../events.js'
import type { PrimaryOptions } from '../sync-options.js'

/**
 * Decides when the primary runs a checkpoint. The three thresholds are set as in Litestream.
 * Litestream compares the thresholds with the size of the WAL file, but SQLite reuses the WAL file
 * and does not shrink it. The primary therefore compares the thresholds with the number of frames
 * in the wal-index. After readers have blocked a checkpoint, the primary waits until the WAL has
 * grown further.
 */
export class CheckpointPolicy {
  readonly #options: PrimaryOptions
  #lastAt: number
  #dirty = false
  /**
   * Minimum number of pages for the next checkpoint of each mode: for PASSIVE, pages of the WAL
   * that are not in the database file; for TRUNCATE, pages in the WAL. With fewer pages, the
   * readers that blocked the last checkpoint would probably block the next checkpoint too.
   */
  #notBelow = { PASSIVE: 0, TRUNCATE: 0 }

  constructor(options: PrimaryOptions, now: number) {
    this.#options = options
    this.#lastAt = now
  }

  /** Must be called when the application has committed new frames. */
  committed(): void {
    this.#dirty = true
  }

  decide(index: WalIndex, now: number): CheckpointMode | undefined {
    const { truncatePages, minCheckpointPages, checkpointInterval } = this.#options
    const pending = index.frames - index.backfilled
    if (truncatePages > 0 && index.frames >= Math.max(truncatePages, this.#notBelow.TRUNCATE)) return 'TRUNCATE'
    if (pending >= Math.max(minCheckpointPages, this.#notBelow.PASSIVE)) return 'PASSIVE'
    const due = checkpointInterval > 0 && now - this.#lastAt >= checkpointInterval
    return due && this.#dirty && pending > 0 ? 'PASSIVE' : undefined
  }

  /**
   * Must be called after each successful or failed checkpoint. `index` is the wal-index after the
   * checkpoint.
   */
  done(mode: CheckpointMode, index: WalIndex, now: number): void {
    const { truncatePages, minCheckpointPages } = this.#options
    const pending = index.frames - index.backfilled
    this.#lastAt = now
    this.#dirty = false
    this.#notBelow.PASSIVE = pending >= minCheckpointPages ? pending + minCheckpointPages : 0
    if (mode === 'TRUNCATE' || index.frames < truncatePages) {
      this.#notBelow.TRUNCATE = index.frames >= truncatePages ? index.frames + Math.ceil(truncatePages / 10) : 0
    }
  }
}
