import { isLitestreamError, type LitestreamError } from '../../errors.js'
import { monotonicMs } from '../../util/monotonic.js'
import { pause } from '../../util/pause.js'
import { walSize } from '../../wal/wal-header.js'
import type { WalIndex } from '../../wal/wal-index.js'
import { sameGeneration } from '../../wal/wal-position.js'
import { Backoff } from '../backoff.js'
import type { CheckpointMode, PrimaryEvents, PrimaryObserver } from '../events.js'
import { databaseError } from '../source/database-error.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import type { PrimaryOptions } from '../sync-options.js'
import { CheckpointPolicy } from './checkpoint-policy.js'
import type { DatabaseSync } from './database-sync.js'
import type { Progress } from './sync-position.js'
import type { WalCursor } from './wal-cursor.js'

export interface CheckpointerParts {
  readonly db: string
  readonly options: PrimaryOptions
  readonly sync: DatabaseSync
  readonly progress: Progress
  readonly cursor: WalCursor
  readonly observe: PrimaryObserver
}

/**
 * Runs the checkpoints of a database when they are due. The primary reads every frame before a
 * checkpoint lets the WAL restart.
 */
export class Checkpointer {
  readonly #parts: CheckpointerParts
  readonly #policy: CheckpointPolicy
  readonly #errors: Backoff

  constructor(parts: CheckpointerParts) {
    const { db, options, observe } = parts
    this.#parts = parts
    this.#policy = new CheckpointPolicy(options, monotonicMs())
    this.#errors = new Backoff(db, 'checkpoint', options.checkpointInterval, observe)
  }

  /** Must be called when a sync has found new frames. */
  committed(): void {
    this.#policy.committed()
  }

  /** Whether `runIfDue` would run a checkpoint. */
  isDue(index: WalIndex): boolean {
    return this.#policy.decide(index, monotonicMs()) !== undefined
  }

  /**
   * Runs a checkpoint if a checkpoint is due. If the checkpoint fails, the error is reported and
   * returned, and the checkpoint is retried later. The sync before the checkpoint still succeeds.
   */
  async runIfDue(opened: OpenedDatabase): Promise<LitestreamError | undefined> {
    const index = opened.source.walIndex()
    const mode = index && this.#policy.decide(index, monotonicMs())
    if (!mode) return undefined
    try {
      await this.run(opened, mode)
      this.#errors.worked()
      return undefined
    } catch (cause) {
      const error = databaseError(cause, this.#parts.db, 'checkpointing')
      this.#errors.failed(error)
      const after = opened.source.walIndex()
      if (after) this.#policy.done(mode, after, monotonicMs())
      return error
    }
  }

  /**
   * Copies the WAL into the database file and restarts the WAL. No commit can be lost, because
   * `run` blocks writers, syncs all commits, ends the read transaction, copies the WAL, and begins
   * the read transaction again, in this order.
   */
  async run(opened: OpenedDatabase, mode: CheckpointMode): Promise<PrimaryEvents['checkpoint']> {
    const started = monotonicMs()
    const { db, options, sync, progress, cursor, observe } = this.#parts
    const { source } = opened
    let copied = { frames: 0, backfilled: 0 }
    let busy = false
    try {
      // The first checkpoint is passive and copies most frames while writers continue. The passive
      // checkpoint may copy only frames that the primary has read.
      sync.handOver(opened)
      source.checkpointPassive()
      await source.withWritersBlocked(async () => {
        await sync.run(opened)
        source.unpin()
        cursor.covered = false
        try {
          copied = await this.#copyWal(opened, mode)
        } finally {
          cursor.cover(source.pin())
          progress.sequence = source.identity().sequence
        }
      })
      const complete = copied.backfilled === copied.frames
      if (complete && copied.frames > 0) {
        await source.bump(mode === 'TRUNCATE' ? 0 : walSize(Math.max(options.truncatePages, 0), source.pageSize))
        progress.sequence++
      }
    } catch (error) {
      if (!isLitestreamError(error, 'DATABASE_BUSY')) throw error
      busy = true
    }
    const before = cursor.position
    await sync.run(opened)
    opened.checkpointed()
    await progress.save(opened, cursor.position!)
    const index = source.walIndex()
    if (index) this.#policy.done(mode, index, monotonicMs())
    const restarted = before !== undefined && index !== undefined && !sameGeneration(before, index)
    const complete = !busy && copied.backfilled === copied.frames
    const event = {
      db,
      mode,
      result: busy ? 'busy' : restarted ? 'restarted' : complete ? 'complete' : 'partial',
      ...copied,
      durationMs: monotonicMs() - started,
    } as const
    observe('checkpoint', event)
    return event
  }

  /**
   * Copies the WAL into the database file and truncates the WAL. Does not commit a transaction and
   * does not wait for other connections. If the application commits a transaction in the meantime,
   * the WAL is not truncated. Returns whether the WAL is empty.
   */
  async emptyWal(opened: OpenedDatabase): Promise<boolean> {
    const { sync, cursor } = this.#parts
    const { source } = opened
    const unchanged = () => {
      const index = source.walIndex()
      return index && cursor.isUnchanged(index) ? index : undefined
    }
    let index = unchanged()
    if (!index || index.frames === 0) return index !== undefined
    if (index.backfilled < index.frames) {
      sync.handOver(opened)
      await source.checkpointInBackground()
      opened.checkpointed()
      index = unchanged()
      if (!index || index.backfilled < index.frames) return false
    }
    cursor.covered = false
    const empty = source.truncateWal(index)
    if (typeof empty === 'object') cursor.restartAt(empty)
    else if (empty === 'missed') cursor.discontinue('the WAL was truncated together with a new commit')
    cursor.cover(source.pinned ?? source.pin())
    opened.checkpointed()
    this.#policy.done('TRUNCATE', typeof empty === 'object' ? empty : index, monotonicMs())
    return typeof empty === 'object'
  }

  /**
   * With TRUNCATE, waits for readers up to `busyTimeout`, as SQLite's own TRUNCATE checkpoint does.
   * SQLite's own TRUNCATE checkpoint cannot run, because this process holds the write lock. If
   * another connection is running a checkpoint, both modes wait until that checkpoint has ended.
   */
  async #copyWal({ source }: OpenedDatabase, mode: CheckpointMode): Promise<{ frames: number; backfilled: number }> {
    const deadline = monotonicMs() + this.#parts.options.busyTimeout
    for (;;) {
      const done = source.checkpointPassive()
      const { frames, backfilled } = source.walIndex() ?? { frames: 1, backfilled: 0 }
      const wait = mode === 'TRUNCATE' ? backfilled < frames : !done
      if (!wait || monotonicMs() >= deadline) return { frames, backfilled }
      await pause(1)
    }
  }
}
