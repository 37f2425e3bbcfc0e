import { writeSnapshot } from '../../compaction/snapshot.js'
import { isLitestreamError, LitestreamError } from '../../errors.js'
import { identifyRemote, identifyStaged, stagedBody } from '../../levels/ltx-identity.js'
import { decodeLtx } from '../../ltx/decoder.js'
import { formatTxid } from '../../ltx/txid.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { formatTimestamp } from '../../util/timestamp.js'
import type { PrimaryObserver } from '../events.js'
import type { PrimaryDatabase } from '../sync/primary-database.js'
import type { StagedFile } from '../sync/staging.js'
import { alignWithReplica } from './replica-alignment.js'
import { WriterRecord } from './writer-record.js'

/** Of the staged files that are in the replica already so many bytes and files are kept: compaction need not fetch them. */
const KEEP_BYTES = 64 * 1024 * 1024
const KEEP_FILES = 512

/**
 * Brings staged files to the replica, one after another, each under a name that nobody may have written before. What the replica
 * holds is found out once, at the first run; from then on only this primary changes it.
 */
export class Uploader {
  readonly #primary: PrimaryDatabase
  readonly #client: ReplicaClient
  readonly #observe: PrimaryObserver
  readonly #writer: WriterRecord
  readonly #leased: boolean
  #txid: number | undefined
  /** The replica turned out to be another, and the snapshot that has to follow is not made yet. */
  #startsOver = false
  /** The file at this TXID holds the whole database, and the replica needs it as a snapshot, too. */
  #publishAt: number | undefined
  /** Staged files that are in the replica, ascending. */
  readonly #kept: StagedFile[] = []
  #keptBytes = 0

  /** `leased`: it runs only while the lease in the replica is ours. */
  constructor(
    primary: PrimaryDatabase,
    client: ReplicaClient,
    observe: PrimaryObserver,
    options: { readonly leased: boolean },
  ) {
    this.#leased = options.leased
    this.#writer = new WriterRecord(client, primary.path)
    this.#primary = primary
    this.#client = client
    this.#observe = observe
  }

  /** The last TXID in the replica; undefined before it was asked. */
  get txid(): number | undefined {
    return this.#txid
  }

  /**
   * Uploads what is staged, up to `limit` files. Returns whether that was all. Throws REPLICA_FENCED when another primary has written
   * a file that was to be ours, and the storage's errors; a run after an error goes on where it stopped.
   */
  async run(limit: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    await this.align()
    if (this.#startsOver) {
      await this.#primary.sync({ checkpoint: false })
      this.#startsOver = false
    }
    for (let count = 0; this.#txid! < this.#primary.txid; count++) {
      if (count >= limit) return false
      await this.#upload(this.#txid! + 1)
    }
    return true
  }

  /**
   * Finds out where the replica stands, if that is not known yet; the primary may have to start over with a snapshot. Not at the
   * same time as a run.
   */
  async align(): Promise<void> {
    if (this.#txid !== undefined) return
    const primary = this.#primary
    const fenced = primary.state?.fenced
    if (fenced !== undefined) throw fencedError(primary.path, this.#client, fenced)
    await this.#writer.claim({ leased: this.#leased })
    const alignment = await alignWithReplica(primary, this.#client)
    const { kind, txid, timestamp } = alignment
    primary.notBefore(timestamp)
    if (kind === 'start-over') {
      await primary.startOver(txid, alignment.reason)
      this.#startsOver = true
      this.#observe('rejoin', { db: primary.path, txid, reason: alignment.reason })
      if (alignment.publishSnapshot) this.#publishAt = txid + 1
    }
    this.#txid = txid
    for (const file of primary.staging.list()) if (file.txid <= txid) this.#keep(file)
  }

  /** Says in the replica that nobody writes to it any more. */
  close(): Promise<void> {
    return this.#writer.release()
  }

  async #upload(txid: number): Promise<void> {
    const started = performance.now()
    const path = this.#primary.staging.pathOf(txid)
    const { timestamp, checksum, size } = await identifyStaged(path)
    const file = { level: 0, minTxid: txid, maxTxid: txid }
    if (txid === this.#publishAt) await this.#publishSnapshot(path, txid, timestamp)
    try {
      await this.#client.write(file, stagedBody(path, size), { timestamp, createOnly: true, localFile: path })
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      // A request may have succeeded although its answer was lost, here or before a crash.
      const there = await identifyRemote(this.#client, file)
      if (there.checksum !== checksum || there.size !== size) {
        const when = formatTimestamp(there.timestamp)
        const who = (await this.#writer.other()) ?? 'another primary'
        const reason = `TXID ${formatTxid(txid)} was written at ${when} by ${who}`
        await this.#primary.fence(reason)
        throw fencedError(this.#primary.path, this.#client, reason, error)
      }
    }
    this.#txid = txid
    this.#primary.remember({ txid, timestamp, checksum })
    this.#observe('upload', { db: this.#primary.path, txid, size, durationMs: performance.now() - started })
    this.#keep({ txid, size })
  }

  /** Writes the whole database of a staged file as a snapshot, from which restores begin whatever lies before. */
  async #publishSnapshot(path: string, txid: number, timestamp: number): Promise<void> {
    const client = this.#client
    const { size } = await identifyStaged(path)
    const { header, batches } = await decodeLtx(stagedBody(path, size), path)
    const { pageSize, commit } = header
    await writeSnapshot(client, { pageSize, commit, maxTxid: txid, timestamp }, batches)
    this.#publishAt = undefined
  }

  /** The newest always stays: it proves at the next start that the replica is ours. */
  #keep(file: StagedFile): void {
    this.#kept.push(file)
    this.#keptBytes += file.size
    while (this.#kept.length > 1 && (this.#kept.length > KEEP_FILES || this.#keptBytes > KEEP_BYTES)) {
      const oldest = this.#kept.shift()!
      this.#keptBytes -= oldest.size
      this.#primary.staging.remove(oldest.txid)
    }
  }
}

/** Says which database is not replicated any more, where to, and what the other primary wrote. */
function fencedError(database: string, client: ReplicaClient, reason: string, cause?: unknown): LitestreamError {
  return new LitestreamError('REPLICA_FENCED', `${database} is not replicated to ${client.url} any more: ${reason}`, {
    file: client.url,
    ...(cause === undefined ? {} : { cause }),
    hint:
      'Only one primary may write to a replica. Stop the other one and run `litestream-ts reset` for this database, or give it a ' +
      'replica of its own.',
  })
}
