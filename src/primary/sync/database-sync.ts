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
  /** Number of WAL bytes after which an L0 file ends at the next commit. */
  readonly maxBytes: number
  /** Called after each L0 file was written. */
  readonly written: () => void
  readonly observe: PrimaryObserver
}

/** Maximum number of times that one sync starts over because the WAL changed during the sync. */
const MAX_MOVES = 100

/**
 * The primary reports a system clock that is at least this many milliseconds behind the time of the
 * newest L0 file.
 */
const CLOCK_BEHIND_MS = 60_000

/** Makes L0 files of the commits of an opened database, in order and without a gap. */
export class DatabaseSync {
  readonly #parts: DatabaseSyncParts
  readonly #snapshots: Record<string, number> = {}
  /** TXIDs of the L0 files that this object has written with the whole database. */
  readonly #wholes = new Set<number>()
  readonly #clockBehind = new GrowingInterval()
  /**
   * Whether the files of the database were replaced. After a replacement, the primary must not
   * write into the -wal until it knows to which database the -wal belongs.
   */
  reopened = false

  constructor(parts: DatabaseSyncParts) {
    this.#parts = parts
  }

  /** Number of snapshots that were needed after replication started, by reason. */
  get snapshots(): Readonly<Record<string, number>> {
    return { ...this.#snapshots }
  }

  /** Whether this object wrote the whole database into the L0 file of `txid`. */
  isWhole(txid: number): boolean {
    return this.#wholes.has(txid)
  }

  /** Makes L0 files of all committed transactions. */
  async run(opened: OpenedDatabase): Promise<void> {
    const { db, cursor } = this.#parts
    const { source } = opened
    // A failed checkpoint may have ended the read transaction. The primary must therefore check
    // whether frames were lost before the new read transaction began.
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
      hint: 'Wait: the sync is retried automatically.',
    })
  }

  /**
   * Moves the read transaction to the position up to which the primary has read the WAL. During the
   * move, no frame after this position can be lost.
   */
  handOver({ source }: OpenedDatabase): void {
    const { cursor, progress } = this.#parts
    const index = source.handOver()
    cursor.covered = false
    cursor.cover(index)
    progress.sequence = Math.max(progress.sequence, source.identity().sequence)
  }

  /**
   * Moves the read transaction to the WAL, if the transaction reads from the database file alone
   * and the WAL has frames. A read transaction on the database file alone would block checkpoints
   * (see SourceDatabase.handOver).
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
      // A position needs a preceding frame, because an empty WAL has no salts to recognize. While
      // the files are being replaced, the primary must not write a frame, because SQLite would
      // replay the frame into the next database of this name.
      await source.bump(-1)
      index = source.pin()
    }
    progress.sequence = source.identity().sequence
    const planned = planWhole(opened, index, cursor.snapshotReason)
    return planned === 'moved' ? planned : this.#write(opened, planned, started)
  }

  /**
   * Returns the time for the next L0 file. The time of an L0 file is never earlier than the time of
   * the previous L0 file, because restores to a point in time rely on ascending times.
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
