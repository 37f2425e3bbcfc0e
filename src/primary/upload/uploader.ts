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
 * Number of checks of the replica between two reads of the writer record. The writer record is read
 * seldom, because the record only tells users and other processes which primary writes to the
 * replica.
 */
const RECORD_EVERY = 10

/**
 * Uploads of at least LARGE_UPLOAD bytes report their progress. Two progress reports are at least
 * PROGRESS_MS milliseconds apart.
 */
const LARGE_UPLOAD = 8 * 1024 * 1024
const PROGRESS_MS = 200

/** If one run needs more than this number of snapshots, the run fails. */
const MAX_RESTARTS = 3

/**
 * Uploads staged files in order. The store must refuse an upload if a file with its name exists.
 * The Uploader lists the replica at the first run and in `check`. If another program has damaged
 * the replica in between, the Uploader uploads a snapshot.
 */
export class Uploader {
  readonly #primary: PrimaryDatabase
  readonly #client: KnownLevels
  readonly #observe: PrimaryObserver
  /**
   * The writer record of this primary, or undefined for a write-once replica, because no object in
   * a write-once replica can be replaced.
   */
  readonly #writer: WriterRecord | undefined
  #isWeakFencingNoticed = false
  readonly #leased: boolean
  #txid: number | undefined
  #aligned = false
  /**
   * Page size in bytes of the newest file in the replica, or undefined if the page size is unknown
   * or the replica has no file.
   */
  #pageSize: number | undefined
  /** Whether the next L0 file must hold the whole database and has not been written yet. */
  #startsOver = false
  /** The TXID of an L0 file with the whole database that must also be uploaded as a snapshot. */
  #publishAt: number | undefined
  /** The newest file that this process has uploaded. */
  #uploaded: NonNullable<PrimaryState['uploaded']> | undefined
  /** Number of checks of the replica that found no fault. */
  #checks = 0
  /**
   * The monotonic time of the first check that found files of another primary, or undefined if the
   * last check found no files of another primary.
   */
  #foreignSince: number | undefined
  readonly #kept: KeptFiles
  readonly #guard: DivergenceGuard
  /**
   * The highest TXID that may be in the replica. An upload that failed in this process may have
   * succeeded in the store.
   */
  #attempted = 0

  /**
   * If `leased` is true, this primary uploads only while it holds the lease of the replica.
   * `keepDiverged` is the time in milliseconds for which retention keeps the files from before a
   * divergence.
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

  /** The last TXID in the replica, or undefined until the primary has listed the replica. */
  get txid(): number | undefined {
    return this.#txid
  }

  /**
   * Whether a REPLICA_FENCED error of `run` is permanent. The error is permanent if another primary
   * has written a file with the name of this primary's next file, or if another primary was running
   * when this primary started. The error is not permanent if a program replaced the replica while
   * this primary was running, because a user may undo the replacement.
   */
  get isFenced(): boolean {
    return !this.#aligned || this.#primary.state?.fenced !== undefined
  }

  /** Whether the replica has every staged file. */
  get isUpToDate(): boolean {
    return !this.#startsOver && this.#txid !== undefined && this.#txid === this.#primary.txid
  }

  /**
   * Uploads at most `limit` staged files. Returns true if no staged file is left. Throws errors of
   * the store. Throws REPLICA_FENCED if another primary has written a file with the name of this
   * primary's next file. After an error, the next run continues with the staged file whose upload
   * failed.
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
   * Compares the state folder with the replica. Later calls do nothing. The comparison of state
   * folder and replica may show that the next file must be a snapshot. `align` must not be called
   * during a run.
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
   * Lists the replica and reads the writer record. If a restore to the last uploaded TXID is no
   * longer possible, the next run uploads a snapshot. If the replica has files of another primary,
   * `check` throws, because a user may delete these files. If the files still exist after
   * `patience` milliseconds, this primary compares the state folder with the replica again, as
   * after a restart. `check` must not be called during a run.
   */
  async check(patience: number): Promise<void> {
    if (this.#txid === undefined || this.#txid === 0 || this.#startsOver) return
    let verdict = await this.#judge()
    // A stale listing can lack the newest files. If the store still has the last uploaded file, the
    // listing is stale and must be ignored.
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
      this.#notice(
        'replica',
        `${verdict.gone} files were deleted by another program`,
        'continuing, because no restore needs these files',
      )
    if (this.#checks++ % RECORD_EVERY === 0) await this.#keepRecord()
  }

  /**
   * Uploads a snapshot of the database with a TXID higher than every TXID in the replica. `repair`
   * must not be called during a run.
   */
  async repair(reason: string, end = 0): Promise<void> {
    if (this.#txid === undefined || this.#startsOver) return
    await this.#skipTo(Math.max(this.#txid, this.#attempted, end), reason)
  }

  /**
   * Continues with TXIDs above `txid`, because other files may use the TXIDs up to `txid`. The next
   * file is a snapshot, so a restore needs no files of the skipped TXIDs.
   */
  async #skipTo(txid: number, reason: string): Promise<void> {
    await this.#startOver(txid, reason, true)
    this.#txid = txid
  }

  /** A divergence that no user has acknowledged yet. */
  get divergence(): Divergence | undefined {
    return this.#guard.pending
  }

  /**
   * Records in the replica that a user has acknowledged the divergences. Returns the divergences
   * that were not acknowledged before.
   */
  acknowledge(): Promise<readonly Divergence[]> {
    return this.#guard.acknowledge()
  }

  /** Removes the writer record from the replica. */
  async close(): Promise<void> {
    await this.#writer?.release()
  }

  async #startOver(txid: number, reason: string, publishSnapshot: boolean): Promise<void> {
    const primary = this.#primary
    // If `startOver` fails, the Uploader is unchanged, and the caller tries again.
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
    const action = 'replicating with weaker fencing: a second primary is detected only after its first write'
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
      change === 'gone' ? 'the record was removed' : 'the record is damaged',
      'wrote the record again',
    )
  }

  /**
   * Whether the L0 file that was uploaded last is unchanged in the replica. Reads two small ranges
   * from the store.
   */
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

  /** Uploads the staged file of `txid`. If a snapshot is needed instead, requests the snapshot. */
  async #uploadNext(txid: number): Promise<void> {
    const path = this.#primary.staging.find(txid)
    const staged = path === undefined ? undefined : await ifSound(() => identifyStaged(path))
    if (path === undefined || !staged) {
      const reason = path === undefined ? 'staged files are missing' : 'a staged file is damaged'
      if (this.#attempted >= txid) await this.#skipTo(this.#attempted, reason)
      else await this.#startOver(txid - 1, reason, this.#publishAt === txid)
    } else if (this.#pageSize !== undefined && staged.pageSize !== this.#pageSize) {
      // The Uploader skips one TXID, so that compaction never merges files of different page sizes.
      // A restore needs no file for the skipped TXID, because the next file is a snapshot.
      await this.#skipTo(txid, `the page size changed from ${this.#pageSize} to ${staged.pageSize} bytes`)
      this.#pageSize = staged.pageSize
    } else if (await this.#upload(path, txid, staged)) this.#pageSize = staged.pageSize
  }

  /**
   * Uploads a staged file. Returns false if a snapshot must be uploaded instead of the staged file.
   */
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

  /** Yields the chunks of `body` unchanged. If `body` is large, reports the progress. */
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
   * Whether the existing file with the name of this upload comes from this primary. An earlier
   * upload, perhaps before a crash, may have succeeded although its response was lost. Returns
   * false for a damaged file. After a damaged file, the next file must have a higher TXID. Throws
   * REPLICA_FENCED if the existing file comes from another primary.
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
      const reason = `the file of TXID ${formatTxid(this.#uploaded.txid)}, which this primary uploaded last, was replaced by another file`
      throw foreignFiles(this.#client.url, reason)
    }
    const when = formatTimestamp(there.timestamp)
    const who = (await this.#writer?.other()) ?? 'another primary'
    const reason = `${who} wrote TXID ${formatTxid(txid)} at ${when}`
    await this.#primary.fence(reason)
    throw this.#fenced(reason, cause)
  }

  /**
   * Uploads a staged L0 file that holds the whole database a second time, as a snapshot of level 9,
   * so that restores can begin with the snapshot.
   */
  async #publishSnapshot(path: string, txid: number, timestamp: number): Promise<void> {
    const client = this.#client
    const { size } = identifyStaged(path)
    const ltx = await decodeLtx(stagedBody(path, size), path)
    const { pageSize, commit } = ltx.header
    try {
      await writeSnapshot(client, { pageSize, commit, maxTxid: txid, timestamp }, ltx.batches)
    } finally {
      // If the store fails before it reads the body, `cancel` closes the staged file.
      await ltx.cancel()
    }
    this.#publishAt = undefined
  }
}
