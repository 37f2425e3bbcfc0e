import { LitestreamError } from '../../errors.js'
import { formatDuration } from '../../util/duration.js'
import { elapsedMs } from '../../util/elapsed.js'
import { GrowingInterval } from '../../util/growing-interval.js'
import { walSize } from '../../wal/wal-header.js'
import type { PrimaryObserver } from '../events.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import { planIncrement } from './incremental-plan.js'
import { writeL0 } from './l0-writer.js'
import type { PlannedFile } from './planned-file.js'
import { planWhole } from './snapshot-plan.js'
import type { LtxStaging } from './staging.js'
import type { Progress } from './sync-position.js'
import type { WalCursor } from './wal-cursor.js'

export interface DatabaseSyncParts {
  readonly db: string
  readonly staging: LtxStaging
  readonly progress: Progress
  readonly cursor: WalCursor
  /** An L0 file ends at the first commit after this many bytes of the WAL. */
  readonly maxBytes: number
  /** Called after the primary has written an L0 file. */
  readonly written: () => void
  readonly observe: PrimaryObserver
}

/** Maximum number of times that one sync starts over because the WAL changed during the sync. */
const MAX_MOVES = 100

/**
 * If the system clock is at least this many milliseconds behind the time of the newest L0 file, the
 * primary reports the wrong clock.
 */
const CLOCK_BEHIND_MS = 60_000

/** Makes L0 files of the commits of an opened database, in order and without a gap. */
export class DatabaseSync {
  readonly #parts: DatabaseSyncParts
  readonly #snapshots: Record<string, number> = {}
  /** TXIDs of the L0 files into which this object wrote the whole database. */
  readonly #wholes = new Set<number>()
  readonly #clockBehind = new GrowingInterval()
  /**
   * Whether the files of the database were replaced and opened again. After a replacement, the
   * primary must not write to the -wal until it knows that the -wal belongs to the new database.
   */
  reopened = false

  constructor(parts: DatabaseSyncParts) {
    this.#parts = parts
  }

  /** Number of L0 files with the whole database that this object has written, by reason. */
  get snapshots(): Readonly<Record<string, number>> {
    return { ...this.#snapshots }
  }

  /** Whether this object wrote the L0 file of `txid`, and the L0 file holds the whole database. */
  isWhole(txid: number): boolean {
    return this.#wholes.has(txid)
  }

  /** Makes L0 files of all committed transactions. */
  async run(opened: OpenedDatabase): Promise<void> {
    const { db, cursor } = this.#parts
    const { source } = opened
    // A failed checkpoint may have ended the read transaction. Frames may have been lost before the
    // new read transaction began, so the cursor must check the new wal-index.
    if (!source.pinned) cursor.cover(source.pin())
    if (cursor.isUnchanged(source.walIndex())) return
    opened.ensureAlone()
    for (let moved = 0; moved < MAX_MOVES; ) {
      const done = await (cursor.snapshotReason === undefined ? this.#advance(opened) : this.#snapshot(opened))
      if (done === 'end') {
        this.#followWal(opened)
        return
      }
      if (done === 'moved') moved++
    }
    throw new LitestreamError('DATABASE_BUSY', `${db}: the WAL changes faster than the primary can read the WAL`, {
      file: db,
      hint: 'Wait: the primary retries the sync automatically.',
    })
  }

  /**
   * Begins a new read transaction at the position up to which the primary has read the WAL, and
   * then ends the old read transaction. No frame after the position up to which the primary has
   * read can be lost.
   */
  handOver({ source }: OpenedDatabase): void {
    const { cursor, progress } = this.#parts
    const index = source.handOver()
    cursor.covered = false
    cursor.cover(index)
    progress.sequence = Math.max(progress.sequence, source.identity().sequence)
  }

  /**
   * If the read transaction reads only from the database file and the WAL has frames, begins a read
   * transaction that reads from the WAL. The old transaction would block checkpoints (see
   * SourceDatabase.handOver).
   */
  #followWal(opened: OpenedDatabase): void {
    const { pinned } = opened.source
    const { seen } = this.#parts.cursor
    const onFileAlone = pinned && pinned.backfilled === pinned.frames
    if (onFileAlone && seen && seen.backfilled < seen.frames) this.handOver(opened)
  }

  async #advance(opened: OpenedDatabase): Promise<'end' | 'more' | 'moved'> {
    const started = elapsedMs()
    const { cursor, progress, maxBytes } = this.#parts
    const planned = planIncrement(opened, cursor, progress.commit, maxBytes)
    return typeof planned === 'string' ? planned : this.#write(opened, planned, started)
  }

  async #snapshot(opened: OpenedDatabase): Promise<'end' | 'more' | 'moved'> {
    const started = elapsedMs()
    const { cursor, progress } = this.#parts
    const { source } = opened
    cursor.covered = false
    let index = source.pin()
    if (index.frames === 0 && !this.reopened) {
      // An empty WAL has no salts that identify a position, so the primary writes a frame. While a
      // program replaces the files, the primary must not write a frame, because SQLite would apply
      // this frame to the new database.
      await source.bump(-1)
      index = source.pin()
    }
    progress.sequence = source.identity().sequence
    const planned = planWhole(opened, index, cursor.snapshotReason)
    return planned === 'moved' ? planned : this.#write(opened, planned, started)
  }

  /**
   * Returns the timestamp of the next L0 file. A timestamp is never earlier than the timestamp of
   * the previous L0 file, because restores to a point in time rely on this order.
   */
  #timestamp(): number {
    const { db, progress, observe } = this.#parts
    const now = Date.now()
    const behind = progress.timestamp - now
    if (behind < CLOCK_BEHIND_MS) this.#clockBehind.reset()
    else if (this.#clockBehind.due()) {
      const reason = `the clock is ${formatDuration(behind)} behind the timestamp of the newest file`
      observe('notice', { db, object: 'clock', reason, action: 'giving new files the timestamp of the newest file' })
    }
    return Math.max(now, progress.timestamp)
  }

  async #write(opened: OpenedDatabase, file: PlannedFile, started: number): Promise<'end' | 'more' | 'moved'> {
    const { db, staging, progress, cursor, observe } = this.#parts
    const { pageSize } = opened.source
    const txid = progress.txid + 1
    const timestamp = this.#timestamp()
    const walOffset = walSize(file.start.frames, pageSize)
    const walBytes = walSize(file.end.frames, pageSize) - walOffset
    const { commit, end } = file
    const written = await writeL0(
      staging,
      {
        pageSize,
        commit,
        minTxid: txid,
        maxTxid: txid,
        timestamp,
        walOffset,
        walSize: walBytes,
        walSalt1: end.salt1,
        walSalt2: end.salt2,
      },
      file.runs,
      file.stillThere,
    )
    if (!written) return 'moved'
    await progress.advance({ txid, timestamp, commit }, opened, end)
    cursor.moveTo(end, opened.source.pinned)
    cursor.seen = file.whole ? file.index : undefined
    cursor.snapshotReason = undefined
    if (file.reason !== undefined) this.#wholes.add(txid)
    else this.#wholes.delete(txid)
    if (file.reason !== undefined) this.#snapshots[file.reason] = (this.#snapshots[file.reason] ?? 0) + 1
    this.#parts.written()
    observe('sync', {
      db,
      txid,
      pages: written.pages,
      size: written.size,
      walBytes,
      walOffset: walSize(end.frames, pageSize),
      durationMs: elapsedMs() - started,
      snapshotReason: file.reason,
    })
    return file.whole ? 'end' : 'more'
  }
}
