import type { WalIndex } from '../../wal/wal-index.js'
import type { CheckpointMode } from '../events.js'
import type { PrimaryOptions } from '../sync-options.js'

/**
 * Decides when to checkpoint: Litestream's three tiers, based on frames of the wal-index instead of
 * the size of a file that SQLite reuses. After a checkpoint that readers blocked, the next one
 * waits until the same number of pages has accumulated again.
 */
export class CheckpointPolicy {
  readonly #options: PrimaryOptions
  #lastAt: number
  #dirty = false
  /**
   * Pages not backfilled, or in the WAL, below which another attempt would meet the same readers.
   */
  #notBelow = { PASSIVE: 0, TRUNCATE: 0 }

  constructor(options: PrimaryOptions, now: number) {
    this.#options = options
    this.#lastAt = now
  }

  /** Must be called when frames of the application were found. */
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

  /** Must be called after each attempt, with the state of the WAL after it. */
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
