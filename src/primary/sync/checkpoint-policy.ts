import type { WalIndex } from '../../wal/wal-index.js'
import type { CheckpointMode } from '../events.js'
import type { PrimaryOptions } from '../sync-options.js'

/**
 * Decides when the primary runs a checkpoint. The primary uses Litestream's three thresholds, but
 * counts the frames in the wal-index. Litestream uses the size of the WAL file, which SQLite reuses
 * without shrinking it. After a checkpoint that readers blocked, the next checkpoint waits until
 * the same number of pages has accumulated again.
 */
export class CheckpointPolicy {
  readonly #options: PrimaryOptions
  #lastAt: number
  #dirty = false
  /**
   * Minimum number of pages before the next checkpoint of each mode. PASSIVE counts the pages that
   * are not in the database file, and TRUNCATE counts the pages in the WAL. Below this minimum, the
   * same readers would block the checkpoint again.
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

  /** Must be called after each attempt of a checkpoint, with the wal-index after that attempt. */
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
