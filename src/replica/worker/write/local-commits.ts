import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { identifyRemote } from '../../../levels/ltx-identity.js'
import { formatTxid } from '../../../ltx/txid.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { startTimer, type Timer } from '../../../util/timers.js'
import type { ReplicaView } from '../pages/view-set.js'
import type { CommitAdoption, LocalCommit } from './adoption.js'
import type { BufferContent } from './buffer-format.js'
import type { CommitBuffer } from './commit-buffer.js'
import { checksumOf } from './commit-file.js'
import { mergeCommits } from './merge-commits.js'
import { putCommit } from './put-commit.js'

/**
 * Limits of local commits, in bytes of LTX files and number: beyond them a writer waits for an
 * upload.
 */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_COMMITS = 20_000
/**
 * Longest retry interval in milliseconds for an upload that the store refused; the interval doubles
 * up to it.
 */
const RETRY_MOST = 60_000

export interface LocalCommitsParts {
  readonly client: ReplicaClient
  readonly adoption: CommitAdoption
  /** Undefined: commits are in memory only. */
  readonly buffer: CommitBuffer | undefined
  /** Milliseconds. */
  readonly interval: number
  readonly current: () => ReplicaView
  /** When the stored state was last known to be the newest (`monotonicMs`). */
  readonly knownAt: () => number
  readonly onUploaded: (event: { readonly txid: number; readonly commits: number; readonly bytes: number }) => void
  readonly onAmbiguous: () => void
  /** Another writer has written to the replica: local commits cannot be uploaded any more. */
  readonly onConflict: (error: LitestreamError) => void
  readonly onError: (error: LitestreamError) => void
  readonly signal: AbortSignal
}

/**
 * Commits that are acknowledged when they are in the buffer, and are uploaded together at an
 * interval. Worker thread.
 */
export class LocalCommits {
  readonly #parts: LocalCommitsParts
  /** Serializes changes of the current view. */
  readonly #changes = new PQueue({ concurrency: 1 })
  #pending: LocalCommit[] = []
  #bytes = 0
  /** How many of `#pending` the running upload contains. */
  #taken = 0
  #uploading: Promise<void> | undefined
  #timer: Timer | undefined
  #failures = 0
  #conflict: LitestreamError | undefined

  constructor(parts: LocalCommitsParts) {
    this.#parts = parts
  }

  /** Number of commits that are not in the store. */
  get count(): number {
    return this.#pending.length
  }

  /**
   * Takes over the commits of an earlier process from the buffer. Throws WRITE_CONFLICT if they do
   * not continue the replica.
   */
  async recover(): Promise<void> {
    const { buffer, client, adoption } = this.#parts
    if (!buffer) return
    const { url } = client
    const base = adoption.stored
    const kept = buffer.found ? await this.#restOf(buffer.found) : []
    // A commit made during an upload has the TXID of that upload in its header; it now follows it.
    const header = { txid: base.txid + 1, timestamp: base.timestamp }
    const rest = await Promise.all(kept.map((bytes) => mergeCommits([bytes], header)))
    await buffer.restart(url, base.txid, rest)
    for (const bytes of rest) await this.#adopt(bytes, base.timestamp)
    if (rest.length > 0) this.#schedule(0)
  }

  /** The commits of a buffer that are not in the store. */
  async #restOf({ header, commits, upload }: BufferContent): Promise<readonly Uint8Array[]> {
    const { client, adoption } = this.#parts
    const { txid } = adoption.stored
    if (commits.length === 0) return []
    if (header.url !== client.url) throw this.#foreignBuffer(`it belongs to ${header.url}`)
    let rest = commits
    let follows = header.txid
    if (upload && txid >= upload.txid) {
      const file = { level: 0, minTxid: upload.txid, maxTxid: upload.txid }
      const found = await identifyRemote(client, file, { signal: this.#parts.signal }).catch((error: unknown) => {
        if (isLitestreamError(error, 'NOT_FOUND')) return undefined
        throw error
      })
      if (found?.checksum === upload.checksum && found.size === upload.size) {
        rest = commits.slice(upload.count)
        follows = upload.txid
      }
    }
    if (rest.length === 0 || follows === txid) return rest
    throw this.#foreignBuffer(
      `its ${rest.length} commits follow TXID ${formatTxid(follows)}, but the replica is at ${formatTxid(txid)}`,
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
   * Resolves when another commit may be made. Throws WRITE_CONFLICT after another writer has
   * written to the replica.
   */
  async ready(): Promise<void> {
    if (this.#conflict) throw this.#conflict
    while (this.#bytes > MAX_BYTES || this.#pending.length >= MAX_COMMITS) {
      await (this.#uploading ?? this.#upload())
      if (this.#conflict) throw this.#conflict
    }
  }

  /** Makes a commit durable in the buffer, and visible. */
  async add(bytes: Uint8Array, timestamp: number): Promise<ReplicaView> {
    await this.#parts.buffer?.append(bytes)
    await this.#adopt(bytes, timestamp)
    this.#schedule(this.#parts.interval)
    return this.#parts.current()
  }

  async #adopt(bytes: Uint8Array, timestamp: number): Promise<void> {
    await this.#changes.add(async () => {
      const commit = await this.#parts.adoption.local(bytes, timestamp, this.#taken > 0 ? 1 : 0)
      this.#pending.push(commit)
      this.#bytes += bytes.length
    })
  }

  #schedule(ms: number): void {
    if (this.#conflict || this.#uploading || this.#timer) return
    this.#timer = startTimer(ms, () => {
      this.#timer = undefined
      return this.#upload().catch(() => undefined) // reported by #upload
    }).unref()
  }

  /**
   * Resolves when the store has every commit made before the call. Throws the error that prevents
   * the upload.
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
      this.#taken = 0
      if (this.#pending.length > 0)
        this.#schedule(Math.min(RETRY_MOST, this.#parts.interval * 2 ** Math.min(this.#failures, 16)))
    })
    return this.#uploading
  }

  async #uploadPending(): Promise<void> {
    const { client, adoption, buffer, signal, onUploaded, onAmbiguous } = this.#parts
    const batch = [...this.#pending]
    this.#taken = batch.length
    const base = adoption.stored
    const knownAt = this.#parts.knownAt()
    const txid = base.txid + 1
    const timestamp = Math.max(base.timestamp, ...batch.slice(-1).map(({ info }) => info.createdAt))
    try {
      const bytes = await mergeCommits(
        batch.map((commit) => commit.bytes),
        { txid, timestamp },
      )
      const identity = { checksum: checksumOf(bytes), size: bytes.length }
      await buffer?.noteUpload({ txid, timestamp, count: batch.length, ...identity })
      const commit = { txid, timestamp, body: () => bytes, identity: () => identity }
      const info = await putCommit(client, commit, { signal, onAmbiguous, knownAt })
      await this.#changes.add(async () => {
        const rest = this.#pending.slice(batch.length)
        await adoption.uploaded({ info, bytes }, rest)
        this.#pending = rest
        this.#bytes = rest.reduce((sum, one) => sum + one.bytes.length, 0)
        await buffer?.restart(
          client.url,
          txid,
          rest.map((one) => one.bytes),
        )
      })
      this.#failures = 0
      onUploaded({ txid, commits: batch.length, bytes: bytes.length })
    } catch (error) {
      const known = toLitestreamError(error)
      this.#failures++
      if (known.code === 'REPLICA_FENCED') this.#stop(known.message)
      else this.#parts.onError(known)
      throw this.#conflict ?? known
    }
  }

  /**
   * A poll found files that are not ours. During an upload they may be our own; the upload itself
   * finds out.
   */
  onForeignFiles(): void {
    if (!this.#uploading) this.#stop('another writer has written to the replica')
  }

  /** Stops uploads; local commits stay readable, and stay in the buffer. */
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
          : 'Read the commits that you need before you close the replica: closing it discards them.',
      },
    )
    this.#timer?.stop()
    onConflict(this.#conflict)
  }

  /** Uploads the remaining commits; those that cannot be uploaded stay in the buffer. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      this.#timer?.stop()
      await this.#parts.buffer?.close({ empty: this.#pending.length === 0 })
    }
  }
}
