import type { WalIndex } from '../../wal/wal-index.js'
import type { CheckpointMode } from '../events.js'
import type { PrimaryOptions } from '../sync-options.js'

/**
 * When to checkpoint: Litestream's three tiers, decided on frames of the wal-index instead of the size of a file that SQLite
 * uses again and again. After a checkpoint that readers held up, the next waits until there is as much to do again.
 */
export class CheckpointPolicy {
  readonly #options: PrimaryOptions
  #lastAt: number
  #dirty = false
  /** Pages not backfilled, or in the WAL, below which another try would meet the same readers. */
  #notBelow = { PASSIVE: 0, TRUNCATE: 0 }

  constructor(options: PrimaryOptions, now: number) {
    this.#options = options
    this.#lastAt = now
  }

  /** To be called when frames of the application were found. */
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

  /** To be called after each try with the state of the WAL behind it. */
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
