import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { identifyRemote } from '../../../levels/ltx-identity.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { retryDelay } from '../../../util/back-off.js'
import { startTimer, type Timer } from '../../../util/timers.js'
import { formatTimestamp } from '../../../util/timestamp.js'
import type { ReplicaView } from '../pages/view-set.js'
import type { CommitAdoption, LocalCommit } from './adoption.js'
import type { BufferContent, BufferUpload } from './buffer-format.js'
import type { BufferBase, CommitBuffer } from './commit-buffer.js'
import { checksumOf, newNodeId, type UploadableCommit } from './commit-file.js'
import type { CommittedFile } from './committed-file.js'
import { mergeCommits } from './merge-commits.js'
import { putCommit } from './put-commit.js'
import { reached } from './steps.js'

/**
 * Limits of the local commits, in bytes of LTX files and in number of commits. If the local commits
 * exceed a limit, a writer waits for an upload.
 */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_COMMITS = 20_000
/**
 * Longest retry interval in milliseconds after the store has refused an upload. The retry interval
 * doubles up to RETRY_MOST.
 */
const RETRY_MOST = 60_000

export interface LocalCommitsParts {
  readonly client: ReplicaClient
  readonly adoption: CommitAdoption
  /** The write buffer, or undefined if local commits are in memory only. */
  readonly buffer: CommitBuffer | undefined
  /** Interval between two uploads, in milliseconds. */
  readonly interval: number
  readonly current: () => ReplicaView
  /**
   * Polls if the last poll was long ago. Resolves with the monotonic time at which the stored state
   * was last known to be the newest state.
   */
  readonly refreshed: () => Promise<number>
  readonly onUploaded: (event: { readonly txid: number; readonly commits: number; readonly bytes: number }) => void
  readonly onAmbiguous: () => void
  /**
   * Called when another writer has written to the replica, so that local commits can no longer be
   * uploaded.
   */
  readonly onConflict: (error: LitestreamError) => void
  readonly onError: (error: LitestreamError) => void
  readonly signal: AbortSignal
}

/** The commits of a write buffer that are not in the store. */
interface Rest {
  readonly commits: readonly Uint8Array[]
  /**
   * Describes an upload of the first commits. The field is set if the outcome of this upload is
   * unknown.
   */
  readonly upload: BufferUpload | undefined
}

const NOTHING: Rest = { commits: [], upload: undefined }

interface LocalUpload extends UploadableCommit {
  body(): Uint8Array
}

/**
 * Stores commits in the write buffer, acknowledges them, and uploads them together at an interval.
 * LocalCommits runs on the worker thread.
 */
export class LocalCommits {
  readonly #parts: LocalCommitsParts
  /** Runs the changes of the write buffer and of the current view one after another. */
  readonly #changes = new PQueue({ concurrency: 1 })
  #pending: LocalCommit[] = []
  #bytes = 0
  /** Number of commits in `#pending` that belong to the running upload or to `#attempt`. */
  #taken = 0
  /**
   * The upload that the store may have received. The upload is running, or its outcome is unknown.
   */
  #attempt: BufferUpload | undefined
  /**
   * Whether a poll during the running upload found a replica that does not continue the stored
   * state.
   */
  #isDoubtful = false
  #uploading: Promise<void> | undefined
  #timer: Timer | undefined
  #failures = 0
  #conflict: LitestreamError | undefined

  constructor(parts: LocalCommitsParts) {
    this.#parts = parts
  }

  /** Number of local commits that are not in the store. */
  get count(): number {
    return this.#pending.length
  }

  /**
   * Takes over the commits of an earlier process from the write buffer. Throws WRITE_CONFLICT if
   * the commits of the earlier process do not continue the replica.
   */
  async recover(): Promise<void> {
    const { buffer, adoption } = this.#parts
    if (!buffer) return
    const base = adoption.stored
    reached('recover')
    const { commits, upload } = buffer.found ? await this.#restOf(buffer.found) : NOTHING
    // If the earlier process made a commit during an upload, the header of that commit has the TXID
    // of the upload. A commit that was made during an upload now follows the upload. The commit
    // therefore gets the next TXID.
    const header = { txid: base.txid + 1, timestamp: base.timestamp }
    const rest = await Promise.all(commits.map((bytes) => mergeCommits([bytes], header)))
    await buffer.restart(this.#base(), rest, upload)
    reached('recovered')
    this.#attempt = upload
    this.#taken = upload?.count ?? 0
    for (const bytes of rest) await this.#adopt(bytes, base.timestamp)
    if (rest.length > 0) this.#schedule(0)
  }

  /**
   * Returns the commits of a write buffer that are not in the store. If an upload of the first of
   * these commits has started, also returns this upload. If the process died during an upload, the
   * store may have received the request. The upload may then still succeed.
   */
  async #restOf({ header, commits, upload }: BufferContent): Promise<Rest> {
    const { client, adoption } = this.#parts
    const { txid, timestamp } = adoption.stored
    if (commits.length === 0) return NOTHING
    if (header.url !== client.url) throw this.#foreignBuffer(`the buffer belongs to ${header.url}`)
    if (upload && txid >= upload.txid && (await this.#isStored(upload))) {
      const rest = commits.slice(upload.count)
      if (rest.length > 0 && txid !== upload.txid) throw this.#foreignEnd(rest.length, upload.txid, txid)
      return { commits: rest, upload: undefined }
    }
    if (header.txid !== txid) throw this.#foreignEnd(commits.length, header.txid, txid)
    if (header.timestamp !== undefined && header.timestamp !== timestamp) {
      const was = formatTimestamp(header.timestamp)
      const is = formatTimestamp(timestamp)
      throw this.#foreignBuffer(
        `the commits of the buffer follow TXID ${formatTxid(txid)}, written at ${was}, but this TXID of the replica was written at ${is}: the replica was reset`,
      )
    }
    return { commits, upload: upload?.txid === txid + 1 ? upload : undefined }
  }

  async #isStored({ txid, checksum, size }: BufferUpload): Promise<boolean> {
    const { client, signal } = this.#parts
    try {
      const found = await identifyRemote(client, { level: 0, minTxid: txid, maxTxid: txid }, { signal })
      return found.checksum === checksum && found.size === size
    } catch (error) {
      if (isLitestreamError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  #foreignEnd(count: number, follows: number, txid: number): LitestreamError {
    return this.#foreignBuffer(
      `the ${count} commits of the buffer follow TXID ${formatTxid(follows)}, but the replica is at TXID ${formatTxid(txid)}`,
    )
  }

  #foreignBuffer(why: string): LitestreamError {
    const file = this.#parts.buffer!.path
    return new LitestreamError(
      'WRITE_CONFLICT',
      `the write buffer ${file} does not continue ${this.#parts.client.url}: ${why}`,
      {
        file,
        hint: `Run \`litestream-ts buffer show ${file}\`, then export or discard the buffer.`,
      },
    )
  }

  /**
   * Resolves when the local commits are within their limits. Throws WRITE_CONFLICT if another
   * writer has written to the replica.
   */
  async ready(): Promise<void> {
    if (this.#conflict) throw this.#conflict
    while (this.#bytes > MAX_BYTES || this.#pending.length >= MAX_COMMITS) {
      await (this.#uploading ?? this.#upload())
      if (this.#conflict) throw this.#conflict
    }
  }

  /**
   * Writes a commit to the write buffer, and adds the commit to the current view. `encode` returns
   * the LTX file of the commit for a TXID. `check` is called immediately before the write. `check`
   * throws if the commit is not based on the newest state.
   */
  async add(encode: (txid: number) => Uint8Array, timestamp: number, check: () => void): Promise<ReplicaView> {
    const { adoption, buffer, current, interval } = this.#parts
    await this.#changes.add(async () => {
      check()
      const bytes = encode(adoption.stored.txid + 1)
      // Until `release` is called, a poll adopts no files of other writers. The commit was made for
      // the current state.
      const release = adoption.hold()
      try {
        await this.#align()
        reached('append')
        await buffer?.append(bytes)
        reached('appended')
        await this.#takeIn(bytes, timestamp)
        reached('visible')
      } finally {
        release()
      }
    })
    this.#schedule(interval)
    return current()
  }

  #adopt(bytes: Uint8Array, timestamp: number): Promise<void> {
    return this.#changes.add(() => this.#takeIn(bytes, timestamp))
  }

  async #takeIn(bytes: Uint8Array, timestamp: number): Promise<void> {
    const isBeyond = this.#taken > 0 && this.#pending.length >= this.#taken
    this.#pending.push(await this.#parts.adoption.local(bytes, timestamp, isBeyond ? 1 : 0))
    this.#bytes += bytes.length
  }

  /** Returns the state of the replica on which the commits in the write buffer are based. */
  #base(): BufferBase {
    const { client, adoption } = this.#parts
    const { txid, timestamp } = adoption.stored
    return { url: client.url, txid, timestamp }
  }

  /**
   * Bases the commits in the write buffer on the newest state in the store. Commits to the
   * store and commits of other writers change the newest state. `#align` is also needed after the
   * write buffer was removed, or after a write to the write buffer failed.
   */
  async #align(): Promise<void> {
    const { buffer } = this.#parts
    if (!buffer || (await buffer.follows(this.#base()))) return
    await buffer.restart(
      this.#base(),
      this.#pending.map(({ bytes }) => bytes),
      this.#attempt,
    )
    reached('buffer restarted')
  }

  #schedule(ms: number): void {
    if (this.#conflict || this.#uploading || this.#timer) return
    this.#timer = startTimer(ms, () => {
      this.#timer = undefined
      return this.#upload().catch(() => undefined) // #upload has already reported the error
    }).unref()
  }

  /**
   * Resolves when the store has every commit that was made before this call. Throws the error that
   * prevents the upload.
   */
  async flush(): Promise<void> {
    await this.#uploading?.catch(() => undefined)
    if (this.#conflict) throw this.#conflict
    if (this.#pending.length > 0) await this.#upload()
  }

  #upload(): Promise<void> {
    this.#timer?.stop()
    this.#timer = undefined
    this.#uploading ??= this.#uploadPending().finally(() => {
      this.#uploading = undefined
      if (this.#pending.length > 0) this.#schedule(retryDelay(this.#failures + 1, this.#parts.interval, RETRY_MOST))
    })
    return this.#uploading
  }

  async #uploadPending(): Promise<void> {
    const { client, signal, onUploaded, onAmbiguous, refreshed } = this.#parts
    const isRepeated = this.#attempt !== undefined
    try {
      const knownAt = await refreshed()
      if (this.#conflict) throw this.#conflict
      this.#isDoubtful = false
      const { commit, count } = await this.#announced()
      const info = await putCommit(client, commit, {
        signal,
        onAmbiguous,
        knownAt,
        isDoubtful: () => this.#isDoubtful,
      })
      // If an earlier version of this program uploaded the commit, the file in the store may differ
      // from the encoded commit.
      const bytes = commit.earlier && commit.earlier.checksum !== commit.identity().checksum ? undefined : commit.body()
      await this.#changes.add(() => this.#uploaded({ info, bytes }, count))
      this.#failures = 0
      onUploaded({ txid: commit.txid, commits: count, bytes: info.size })
    } catch (error) {
      const known = toLitestreamError(error)
      this.#failures++
      if (known.code === 'REPLICA_FENCED') this.#stop(known.message)
      else if (known !== this.#conflict) this.#parts.onError(known)
      // The store has refused the upload. The next upload may therefore contain more commits. If an
      // earlier process sent the same upload, the earlier request may still succeed. The upload is
      // therefore repeated unchanged.
      if (known.code !== 'COMMIT_UNKNOWN' && !isRepeated) this.#attempt = undefined
      if (!this.#attempt) this.#taken = 0
      throw this.#conflict ?? known
    }
  }

  /**
   * Returns the file to upload. The description of an upload is saved in the write buffer before
   * the upload begins. An upload with an unknown outcome is repeated with the same commits. The
   * store may already have the file.
   */
  async #announced(): Promise<{ readonly commit: LocalUpload; readonly count: number }> {
    const repeated = this.#attempt
    const base = this.#parts.adoption.stored
    const batch = this.#pending.slice(0, repeated?.count)
    const last = Math.max(base.timestamp, ...batch.slice(-1).map(({ info }) => info.createdAt))
    const nodeId = repeated ? BigInt(`0x${repeated.nodeId ?? '0'}`) : newNodeId()
    const { txid, timestamp } = repeated ?? { txid: base.txid + 1, timestamp: last }
    const count = batch.length
    this.#taken = count
    reached('merge')
    const files = batch.map(({ bytes }) => bytes)
    const bytes = await mergeCommits(files, { txid, timestamp, nodeId })
    const identity = { checksum: checksumOf(bytes), size: bytes.length }
    const commit = {
      txid,
      timestamp,
      body: () => bytes,
      identity: () => identity,
      ...(repeated ? { earlier: repeated } : {}),
    }
    if (repeated) return { commit, count }
    const upload = { txid, timestamp, count, ...identity, nodeId: nodeId.toString(16).padStart(16, '0') }
    await this.#changes.add(async () => {
      await this.#align()
      await this.#parts.buffer?.noteUpload(upload)
    })
    this.#attempt = upload
    reached('announced')
    return { commit, count }
  }

  /** Removes the first `count` commits, because the store has a file with these commits. */
  async #uploaded(file: CommittedFile, count: number): Promise<void> {
    const rest = this.#pending.slice(count)
    await this.#parts.adoption.uploaded(file, rest)
    reached('uploaded')
    this.#attempt = undefined
    this.#taken = 0
    this.#pending = rest
    this.#bytes = rest.reduce((sum, one) => sum + one.bytes.length, 0)
    // If the write buffer cannot be changed, the next commit tries the change again. Until the
    // change succeeds, the write buffer still describes the last upload.
    await this.#align().catch((error: unknown) => this.#parts.onError(toLitestreamError(error)))
  }

  /**
   * Handles a poll that found unknown files in the store. During an upload, and after an upload
   * with an unknown outcome, unknown files may come from this process. The result of the upload
   * shows which process wrote the unknown files.
   */
  onForeignFiles(isContinuation: boolean): void {
    // If no commit is pending, or a new commit is being added, the next poll finds the unknown
    // files again.
    if (this.#pending.length === 0) return
    if (!isContinuation) this.#isDoubtful = true
    if (this.#uploading !== undefined) return
    if (this.#attempt)
      void this.#upload().catch(() => undefined) // #upload has already reported the error
    else this.#stop('another writer has written to the replica')
  }

  /**
   * Stops the uploads because of a conflict. Connections can still read the local commits, and the
   * commits stay in the write buffer.
   */
  #stop(why: string): void {
    if (this.#conflict) return
    const { buffer, client, onConflict } = this.#parts
    const where = buffer ? `in ${buffer.path}` : 'in memory'
    this.#conflict = new LitestreamError(
      'WRITE_CONFLICT',
      `${client.url}: ${this.#pending.length} commits ${where} cannot be uploaded: ${why}`,
      {
        file: buffer?.path ?? client.url,
        hint: buffer
          ? `Close the replica, run \`litestream-ts buffer show ${buffer.path}\`, then export or discard the buffer.`
          : 'Read the commits that you need before you close the replica: closing the replica discards the commits.',
      },
    )
    this.#timer?.stop()
    onConflict(this.#conflict)
  }

  /** Uploads the remaining commits. Commits that cannot be uploaded stay in the write buffer. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      this.#timer?.stop()
      await this.#parts.buffer?.close({ empty: this.#pending.length === 0 })
    }
  }
}
