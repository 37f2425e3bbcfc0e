import { writeSnapshot } from '../../compaction/snapshot.js'
import { isLitestreamError, type LitestreamError } from '../../errors.js'
import type { Divergence } from '../../levels/divergence-record.js'
import type { KnownLevels } from '../../levels/known-levels.js'
import { identifyRemote, identifyStaged, ifSound, type LtxIdentity, stagedBody } from '../../levels/ltx-identity.js'
import { decodeLtx } from '../../ltx/decoder.js'
import { formatTxid } from '../../ltx/txid.js'
import type { LtxFileRef } from '../../storage/replica-client.js'
import { weakFencing } from '../../storage/write-guarantees.js'
import { elapsedMs } from '../../util/elapsed.js'
import { monotonicMs } from '../../util/monotonic.js'
import { formatTimestamp } from '../../util/timestamp.js'
import type { PrimaryObserver } from '../events.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'
import type { PrimaryState } from '../sync/state-file.js'
import { DivergenceGuard } from './divergence-guard.js'
import { KeptFiles } from './kept-files.js'
import type { OnDivergence } from './on-divergence.js'
import { alignWithReplica } from './replica-alignment.js'
import { judgeReplica, type ReplicaVerdict } from './replica-verdict.js'
import { fencedError, foreignFiles, unsteadyStaging } from './upload-errors.js'
import { WriterRecord } from './writer-record.js'

/**
 * The writer record is read at every this many checks: it names this primary to others, and
 * protects nothing.
 */
const RECORD_EVERY = 10

/**
 * Bytes from which on the progress of an upload is reported, and the least time between two
 * reports, milliseconds.
 */
const LARGE_UPLOAD = 8 * 1024 * 1024
const PROGRESS_MS = 200

/** Maximum number of unusable snapshots within one run before it fails. */
const MAX_RESTARTS = 3

/**
 * Uploads staged files in order, each under a name that must not exist yet. Lists the replica at
 * the first run, and again in `check`: if another program has changed it since, uploads a snapshot
 * of the database.
 */
export class Uploader {
  readonly #primary: PrimaryDatabase
  readonly #client: KnownLevels
  readonly #observe: PrimaryObserver
  /** Undefined for a write-once replica, in which no record can be replaced. */
  readonly #writer: WriterRecord | undefined
  #isWeakFencingNoticed = false
  readonly #leased: boolean
  #txid: number | undefined
  #aligned = false
  /**
   * Page size in bytes of the newest file in the replica; undefined if unknown or if there is none.
   */
  #pageSize: number | undefined
  /** The next file must be a snapshot that is not made yet. */
  #startsOver = false
  /** The TXID of a file with the whole database that must be uploaded as a snapshot, too. */
  #publishAt: number | undefined
  /** The newest file that this process has uploaded. */
  #uploaded: NonNullable<PrimaryState['uploaded']> | undefined
  /** Number of checks without a fault. */
  #checks = 0
  /** When consecutive checks first found files of another primary, by the monotonic clock. */
  #foreignSince: number | undefined
  readonly #kept: KeptFiles
  readonly #guard: DivergenceGuard
  /**
   * The highest TXID that may be in the replica: a request that failed here may have succeeded in
   * the store.
   */
  #attempted = 0

  /**
   * `leased`: it runs only while the lease in the replica is ours; `keepDiverged`: how long the
   * state before a divergence is kept, in milliseconds.
   */
  constructor(
    primary: PrimaryDatabase,
    client: KnownLevels,
    observe: PrimaryObserver,
    options: { readonly leased: boolean; readonly onDivergence: OnDivergence; readonly keepDiverged: number },
  ) {
    this.#leased = options.leased
    this.#guard = new DivergenceGuard({
      db: primary.path,
      client,
      mode: options.onDivergence,
      keep: options.keepDiverged,
      isKnown: () => primary.isKnown,
      observe,
    })
    this.#writer = client.writeOnce ? undefined : new WriterRecord(client, primary.path)
    this.#primary = primary
    this.#client = client
    this.#observe = observe
    this.#kept = new KeptFiles(primary.staging)
  }

  /** The last TXID in the replica; undefined before the replica was listed. */
  get txid(): number | undefined {
    return this.#txid
  }

  /**
   * Whether a REPLICA_FENCED error of a run is permanent: another primary has written a file with
   * one of our names, or was running before us. If the replica of a running primary is replaced, a
   * user may undo that, so the error is not permanent.
   */
  get isFenced(): boolean {
    return !this.#aligned || this.#primary.state?.fenced !== undefined
  }

  /** The replica has everything that is staged. */
  get isUpToDate(): boolean {
    return !this.#startsOver && this.#txid !== undefined && this.#txid === this.#primary.txid
  }

  /**
   * Uploads staged files, at most `limit`. Returns whether nothing is left. Throws REPLICA_FENCED
   * if another primary has written a file with one of our names, and errors of the store; a run
   * after an error continues where it stopped.
   */
  async run(limit: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    await this.align()
    let restarts = 0
    for (let count = 0; ; count++) {
      if (this.#startsOver) {
        if (restarts++ === MAX_RESTARTS) throw unsteadyStaging(this.#primary)
        await this.#primary.sync({ checkpoint: false })
        this.#startsOver = false
      }
      if (this.#txid! >= this.#primary.txid) return true
      if (count >= limit) return false
      await this.#uploadNext(this.#txid! + 1)
    }
  }

  /**
   * Determines the state of the replica, if it is not known yet; the primary may have to start over
   * with a snapshot. Not during a run.
   */
  async align(): Promise<void> {
    if (this.#txid !== undefined) return
    const primary = this.#primary
    const fenced = primary.state?.fenced
    if (fenced !== undefined) throw this.#fenced(fenced)
    await this.#writer?.claim({ leased: this.#leased })
    this.#noticeWeakFencing()
    const alignment = await alignWithReplica(primary, this.#client)
    const { kind, txid, timestamp } = alignment
    if (txid > 0) await this.#guard.load()
    primary.notBefore(timestamp)
    this.#pageSize = undefined
    this.#uploaded = undefined
    if (kind === 'start-over') await this.#startOver(txid, alignment.reason, alignment.publishSnapshot)
    else this.#pageSize = alignment.pageSize
    this.#txid = txid
    this.#aligned = true
    for (const file of primary.staging.list()) if (file.txid <= txid) this.#kept.add(file)
  }

  /**
   * Compares the replica with the uploads, with one listing and the writer record. If a restore of
   * the newest state is not possible any more, the next run uploads a snapshot. Files of another
   * primary are an error at first, because the change may be undone; if they still exist after
   * `patience` milliseconds, the primary aligns with the replica as after a restart. Not during a
   * run.
   */
  async check(patience: number): Promise<void> {
    if (this.#txid === undefined || this.#txid === 0 || this.#startsOver) return
    let verdict = await this.#judge()
    // Ignores a stale listing.
    if (verdict.kind === 'broken' && verdict.end < this.#txid && (await this.#hasLastUpload())) return
    if (verdict.kind === 'broken' && verdict.isMissing) verdict = await this.#judge()
    if (verdict.kind === 'foreign') {
      this.#foreignSince ??= monotonicMs()
      if (monotonicMs() - this.#foreignSince < patience) throw foreignFiles(this.#client.url, verdict.reason)
      this.#txid = undefined
    }
    this.#foreignSince = undefined
    if (verdict.kind === 'broken') await this.repair(verdict.reason, verdict.end)
    if (verdict.kind !== 'sound') return
    if (this.#guard.pending) await this.#guard.load()
    if (verdict.gone > 0)
      this.#notice('replica', `${verdict.gone} files were deleted by another program`, 'no file is needed')
    if (this.#checks++ % RECORD_EVERY === 0) await this.#keepRecord()
  }

  /** Uploads a snapshot of the database after everything in the replica. Not during a run. */
  async repair(reason: string, end = 0): Promise<void> {
    if (this.#txid === undefined || this.#startsOver) return
    await this.#skipTo(Math.max(this.#txid, this.#attempted, end), reason)
  }

  /**
   * Skips TXIDs up to `txid`, which may be taken or damaged: a snapshot in the replica bridges
   * them.
   */
  async #skipTo(txid: number, reason: string): Promise<void> {
    await this.#startOver(txid, reason, true)
    this.#txid = txid
  }

  /** A divergence that no user has acknowledged yet. */
  get divergence(): Divergence | undefined {
    return this.#guard.pending
  }

  /** Notes in the replica that the divergences are known to a user. Returns those that were not. */
  acknowledge(): Promise<readonly Divergence[]> {
    return this.#guard.acknowledge()
  }

  /** Removes the writer record from the replica. */
  async close(): Promise<void> {
    await this.#writer?.release()
  }

  async #startOver(txid: number, reason: string, publishSnapshot: boolean): Promise<void> {
    const primary = this.#primary
    // First, because it may fail: nothing has changed here then, and the caller tries again.
    await primary.startOver(txid, reason)
    this.#startsOver = true
    this.#publishAt = publishSnapshot ? txid + 1 : undefined
    this.#kept.clear()
    this.#observe('rejoin', { db: primary.path, txid, reason })
  }

  #fenced(reason: string, cause?: unknown): LitestreamError {
    return fencedError(this.#primary.path, this.#client.url, reason, cause)
  }

  #notice(object: string, reason: string, action: string): void {
    this.#observe('notice', { db: this.#primary.path, object, reason, action })
  }

  #noticeWeakFencing(): void {
    const reason = weakFencing(this.#client)
    if (reason === undefined || this.#isWeakFencingNoticed) return
    this.#isWeakFencingNoticed = true
    const action = 'replicating with weaker fencing: a second primary is detected only after it has written'
    this.#notice('fencing', reason, action)
  }

  async #judge(): Promise<ReplicaVerdict> {
    return judgeReplica(await this.#client.relist(), { uploaded: this.#txid!, attempted: this.#attempted })
  }

  async #keepRecord(): Promise<void> {
    const change = await this.#writer?.check()
    if (change !== 'gone' && change !== 'damaged') return
    await this.#writer?.claim({ leased: this.#leased })
    this.#notice(
      'record of the primary in the replica',
      change === 'gone' ? 'it was removed' : 'it is damaged',
      'wrote it again',
    )
  }

  /** Whether the L0 file that was uploaded last is unchanged in the replica. Two small reads. */
  async #hasLastUpload(): Promise<boolean> {
    const last = this.#uploaded
    if (!last) return false
    try {
      const there = await ifSound(() =>
        identifyRemote(this.#client, { level: 0, minTxid: last.txid, maxTxid: last.txid }),
      )
      return there?.checksum === last.checksum
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  /** Uploads the staged file of `txid`, or finds that a snapshot must follow instead. */
  async #uploadNext(txid: number): Promise<void> {
    const path = this.#primary.staging.find(txid)
    const staged = path === undefined ? undefined : await ifSound(() => identifyStaged(path))
    if (path === undefined || !staged) {
      const reason = path === undefined ? 'staged files are missing' : 'a staged file is damaged'
      if (this.#attempted >= txid) await this.#skipTo(this.#attempted, reason)
      else await this.#startOver(txid - 1, reason, this.#publishAt === txid)
    } else if (this.#pageSize !== undefined && staged.pageSize !== this.#pageSize) {
      // Skips a TXID, so that files of both page sizes are never merged; the snapshot bridges the
      // gap.
      await this.#skipTo(txid, `the page size changed from ${this.#pageSize} to ${staged.pageSize} bytes`)
      this.#pageSize = staged.pageSize
    } else if (await this.#upload(path, txid, staged)) this.#pageSize = staged.pageSize
  }

  /** Returns false if a snapshot must follow instead. */
  async #upload(path: string, txid: number, { timestamp, checksum, size }: LtxIdentity): Promise<boolean> {
    const started = elapsedMs()
    const file = { level: 0, minTxid: txid, maxTxid: txid }
    if (txid > 1 && this.#primary.mayBeWhole(txid)) await this.#guard.examine({ path, txid, size, timestamp })
    this.#attempted = Math.max(this.#attempted, txid)
    if (txid === this.#publishAt) await this.#publishSnapshot(path, txid, timestamp)
    try {
      await this.#client.write(file, this.#reporting(stagedBody(path, size), txid, size), {
        timestamp,
        createOnly: true,
        localFile: path,
      })
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      if (!(await this.#isSameFile(file, checksum, size, error))) return false
    }
    this.#txid = txid
    this.#uploaded = { txid, timestamp, checksum }
    this.#primary.remember(this.#uploaded)
    this.#observe('upload', { db: this.#primary.path, txid, size, durationMs: elapsedMs() - started })
    this.#kept.add({ txid, size })
    return true
  }

  /** Passes a body on, and reports progress while a large body is read. */
  async *#reporting(body: AsyncIterable<Uint8Array>, txid: number, totalBytes: number): AsyncIterable<Uint8Array> {
    let bytes = 0
    let reportedAt = Number.NEGATIVE_INFINITY
    for await (const chunk of body) {
      yield chunk
      bytes += chunk.byteLength
      if (totalBytes < LARGE_UPLOAD || monotonicMs() - reportedAt < PROGRESS_MS) continue
      reportedAt = monotonicMs()
      this.#observe('progress', { db: this.#primary.path, txid, bytes, totalBytes })
    }
  }

  /**
   * Whether the existing file with our name is ours: a request may have succeeded although its
   * response was lost, here or before a crash. False for a damaged file, which the next file skips.
   * Throws REPLICA_FENCED for another primary's file.
   */
  async #isSameFile(file: LtxFileRef, checksum: string, size: number, cause: LitestreamError): Promise<boolean> {
    const { maxTxid: txid } = file
    const there = await ifSound(() => identifyRemote(this.#client, file))
    if (!there) {
      await this.#skipTo(txid, `the file of TXID ${formatTxid(txid)} in the replica is damaged`)
      return false
    }
    if (there.checksum === checksum && there.size === size) return true
    if (this.#uploaded && !(await this.#hasLastUpload())) {
      const reason = `TXID ${formatTxid(this.#uploaded.txid)}, which was uploaded last, is now another file`
      throw foreignFiles(this.#client.url, reason)
    }
    const when = formatTimestamp(there.timestamp)
    const who = (await this.#writer?.other()) ?? 'another primary'
    const reason = `${who} wrote TXID ${formatTxid(txid)} at ${when}`
    await this.#primary.fence(reason)
    throw this.#fenced(reason, cause)
  }

  /** Uploads a staged file with the whole database as a snapshot, with which restores can begin. */
  async #publishSnapshot(path: string, txid: number, timestamp: number): Promise<void> {
    const client = this.#client
    const { size } = identifyStaged(path)
    const ltx = await decodeLtx(stagedBody(path, size), path)
    const { pageSize, commit } = ltx.header
    try {
      await writeSnapshot(client, { pageSize, commit, maxTxid: txid, timestamp }, ltx.batches)
    } finally {
      // A store that fails before it requests the body leaves the file open.
      await ltx.cancel()
    }
    this.#publishAt = undefined
  }
}
