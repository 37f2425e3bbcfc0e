import {
  type ErrorCode,
  isLitestreamError,
  LitestreamError,
  type SerializedError,
  serializeError,
  toLitestreamError,
} from '../../../errors.js'
import { formatTxid } from '../../../ltx/txid.js'
import { native } from '../../../native/addon.js'
import type { BridgeRequest, TakenCommit } from '../../../native/replica.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { requireGuarantees } from '../../../storage/write-guarantees.js'
import { refuseWriteOnce } from '../../../storage/write-once.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { settleAll } from '../../../util/settle-all.js'
import { startTimer } from '../../../util/timers.js'
import type { ResolvedWriteOptions } from '../../options.js'
import { failRequest } from '../fail-request.js'
import type { ReplicaView } from '../pages/view-set.js'
import type { CommitAdoption } from './adoption.js'
import type { CommitBuffer } from './commit-buffer.js'
import { CommitFile, fitsInMemory } from './commit-file.js'
import type { CommittedFile } from './committed-file.js'
import { LocalCommits } from './local-commits.js'
import { KNOWN_MS, putCommit } from './put-commit.js'
import { RightToWrite } from './right-to-write.js'
import { reached } from './steps.js'
import { WriterCompaction } from './writer-compaction.js'

/** How long close() waits in milliseconds for a commit with an unknown outcome. */
const CLOSE_MS = 10_000

/** Events that a writer sends to the handles of its replica. */
export type WriteEvent =
  /**
   * Sent when the store has a new LTX file. `commits` is the number of commits in the new LTX file.
   */
  | { readonly type: 'commit'; readonly txid: number; readonly commits: number; readonly bytes: number }
  | { readonly type: 'error'; readonly error: SerializedError }
  | { readonly type: 'conflict'; readonly code: ErrorCode; readonly message: string }
  | { readonly type: 'fenced'; readonly code: ErrorCode; readonly message: string }

export interface WriterParts {
  readonly replica: number
  readonly client: ReplicaClient
  readonly options: ResolvedWriteOptions
  readonly viewOf: (id: number) => ReplicaView | undefined
  readonly current: () => ReplicaView
  readonly adoption: CommitAdoption
  /** Returns the monotonic time at which the stored state was last known to be the newest state. */
  readonly knownAt: () => number
  /** Polls until the worker knows every file in the store. */
  readonly refresh: () => Promise<void>
  readonly emit: (event: WriteEvent) => void
}

export interface WriteCounts {
  commits: number
  /** Number of LTX files written to the store. */
  uploads: number
  conflicts: number
  /** Number of commits whose outcome was unknown until a later request determined the outcome. */
  ambiguous: number
  pages: number
  /** Total size of the written LTX files in bytes. */
  bytes: number
}

/**
 * The commits of this process to one replica. A commit is the create-only PUT of the next L0 file.
 * If two writers try to commit the same TXID, the store accepts the file of only one writer. Only
 * one commit runs at a time, because native code gives the RESERVED lock to one connection.
 * ReplicaWriter runs on the worker thread.
 */
export class ReplicaWriter {
  readonly #parts: WriterParts
  readonly #right: RightToWrite | undefined
  readonly #abort = new AbortController()
  readonly #counts: WriteCounts = { commits: 0, uploads: 0, conflicts: 0, ambiguous: 0, pages: 0, bytes: 0 }
  readonly #local: LocalCommits | undefined
  readonly #compaction: WriterCompaction | undefined
  /**
   * Settles when the running commit ends. The connection of that commit may have stopped waiting
   * before. If no commit is running, the promise is undefined.
   */
  #underWay: Promise<void> | undefined

  /**
   * Opens the writer, and takes over the commits of an earlier process from the write buffer.
   * Throws WRITE_CONFLICT, BUFFER_DAMAGED.
   */
  static async open(parts: WriterParts): Promise<ReplicaWriter> {
    const { durability, bufferPath } = parts.options
    if (durability === 'store') return new ReplicaWriter(parts)
    const { CommitBuffer } = await import('./commit-buffer.js')
    const signal = new AbortController().signal
    const buffer = bufferPath === undefined ? undefined : await CommitBuffer.open(bufferPath, signal)
    const writer = new ReplicaWriter(parts, buffer)
    try {
      await writer.#local!.recover()
    } catch (error) {
      await buffer?.close({ empty: false })
      throw error
    }
    return writer
  }

  private constructor(parts: WriterParts, buffer?: CommitBuffer) {
    this.#parts = parts
    const { lease, compaction } = parts.options
    if (compaction) this.#compaction = this.#makeCompaction(compaction)
    if (lease !== undefined) {
      this.#right = new RightToWrite(parts.client, lease, {
        held: () => this.#compaction?.start(),
        lapsed: () => void this.#compaction?.stop(),
        lost: (error) => this.#report('fenced', error),
      })
    } else this.#compaction?.start()
    if (parts.options.durability === 'local') this.#local = this.#makeLocal(buffer)
    native.setWritable(parts.replica, true, parts.options.timeout)
  }

  #makeCompaction(intervals: readonly number[]): WriterCompaction {
    const { client, emit } = this.#parts
    const onError = (error: LitestreamError) => emit({ type: 'error', error: serializeError(error) })
    const allowed = () => this.#right?.held ?? true
    return new WriterCompaction({ client, intervals, allowed, onError })
  }

  #makeLocal(buffer: CommitBuffer | undefined): LocalCommits {
    const { client, adoption, current, options, emit } = this.#parts
    return new LocalCommits({
      client,
      adoption,
      refreshed: () => this.#refreshed(),
      buffer,
      interval: options.syncInterval,
      current,
      onUploaded: ({ txid, commits, bytes }) => {
        this.#counts.uploads++
        this.#counts.bytes += bytes
        emit({ type: 'commit', txid, commits, bytes })
      },
      onAmbiguous: () => {
        this.#counts.ambiguous++
      },
      onConflict: (error) => {
        this.#counts.conflicts++
        this.#report('conflict', error)
      },
      onError: (error) => emit({ type: 'error', error: serializeError(error) }),
      signal: this.#abort.signal,
    })
  }

  get counts(): WriteCounts & { readonly pending: number } {
    return { ...this.#counts, pending: this.#local?.count ?? 0 }
  }

  /** Handles a connection's request for the RESERVED lock. */
  async onBegin(request: BridgeRequest): Promise<void> {
    reached('begin')
    try {
      // The outcome of the previous commit must be known before the next transaction begins.
      await this.#underWay
      await this.#requireCreateOnly()
      await this.#local?.ready()
      await this.#takeLease()
      reached('may write')
      native.completeRequest(request.id)
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  /** Takes the lease, and polls for files that the previous owner of the lease may have written. */
  async #takeLease(): Promise<void> {
    const right = this.#right
    if (!right || right.held) return
    // For a commit to the store, the poll may run while the lease is being taken. If another writer
    // writes a file during the poll, the store refuses one commit. A local commit is acknowledged
    // before the store decides. A writer of local commits therefore polls after it has taken the
    // lease, not at the same time.
    const isEarly = this.#local === undefined
    await settleAll([right.ensure(), isEarly && this.#parts.refresh()])
    reached('lease taken')
    if (!isEarly) await this.#parts.refresh()
  }

  /**
   * Refuses to write if the store would let two writers create a file with the same name. Local
   * commits do not wait for the check of the store. If the check finds that the store would allow
   * this, later local commits are refused.
   */
  async #requireCreateOnly(): Promise<void> {
    const { client } = this.#parts
    refuseWriteOnce(client, 'writing through the VFS')
    const options = { signal: this.#abort.signal }
    if (this.#local && client.guarantees?.known === undefined) {
      // If the check cannot reach the store, the upload of the commits reports the error.
      void client.guarantees?.ask(options).catch(() => undefined)
      return
    }
    await requireGuarantees(client, 'writing through the VFS', ['createOnly'], options)
  }

  async onCommit(request: BridgeRequest): Promise<void> {
    const run = this.#commit(request)
    const ended = settled(run).finally(() => {
      if (this.#underWay === ended) this.#underWay = undefined
    })
    this.#underWay = ended
    try {
      const view = await run
      native.completeCommit(request.id, view.id)
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  /**
   * Answers a flush request when every commit of this process is in the store. If an error prevents
   * the upload, answers with this error.
   */
  async onFlush(request: BridgeRequest): Promise<void> {
    try {
      await this.flush()
      native.completeRequest(request.id)
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  async flush(): Promise<void> {
    await this.#underWay
    await this.#local?.flush()
  }

  /**
   * Handles a poll that found files that the stored state lacks, while some commits of this process
   * are only local. `isContinuation` is true if the files continue the stored state.
   */
  onForeignFiles(isContinuation: boolean): void {
    this.#local?.onForeignFiles(isContinuation)
  }

  async #commit(request: BridgeRequest): Promise<ReplicaView> {
    const { client, current } = this.#parts
    reached('commit')
    const taken = native.takeCommit(request.id)
    const base = this.#parts.viewOf(request.view)
    if (!taken || !base) throw conflict(client, 'the state that the transaction read no longer exists')
    const check = () => {
      if (base !== current()) throw conflict(client, 'another writer committed after this transaction began')
    }
    check()
    // The time of a commit is never earlier than the time of the previous file, even if the clock
    // is set back. Restores to a point in time need ascending times.
    const timestamp = Math.max(Date.now(), base.state.timestamp)
    const local = taken.durability === native.constants.durability.store ? undefined : this.#local
    const { txid } = this.#parts.adoption.stored
    const view =
      local && txid > 0 && fitsInMemory(taken)
        ? await local.add((next) => new CommitFile(taken, { txid: next, timestamp }).bytes!, timestamp, check)
        : await this.#commitToStore(taken, timestamp, check)
    this.#counts.commits++
    this.#counts.pages += taken.pgnos.length
    return view
  }

  /**
   * Polls if the last poll was long ago. Returns the monotonic time at which the stored state was
   * last known to be the newest state.
   */
  async #refreshed(): Promise<number> {
    const { knownAt, refresh } = this.#parts
    if (monotonicMs() - knownAt() > KNOWN_MS / 2) await refresh()
    return knownAt()
  }

  /**
   * Commits a transaction to the store. Local commits are uploaded first. The store therefore
   * receives the commits in order. `check` throws if the transaction is not based on the newest
   * state.
   */
  async #commitToStore(taken: TakenCommit, timestamp: number, check: () => void): Promise<ReplicaView> {
    const { client, current, adoption, emit, refresh } = this.#parts
    await this.#local?.flush()
    const knownAt = await this.#refreshed()
    check()
    const base = current()
    const commit = new CommitFile(taken, { txid: adoption.stored.txid + 1, timestamp })
    reached('encoded')
    try {
      const info = await putCommit(client, commit, {
        signal: this.#abort.signal,
        knownAt,
        onAmbiguous: () => {
          this.#counts.ambiguous++
        },
        isDoubtful: () => current() !== base && adoption.stored.txid < commit.txid,
      })
      await this.#adopt({ info, bytes: commit.bytes })
      reached('published')
      this.#counts.uploads++
      this.#counts.bytes += info.size
      emit({ type: 'commit', txid: commit.txid, commits: 1, bytes: info.size })
      return current()
    } catch (error) {
      if (isLitestreamError(error, 'REPLICA_FENCED')) {
        this.#counts.conflicts++
        this.#report('conflict', error)
        // After the poll, the next transaction begins with the state of the winning writer.
        await refresh()
      }
      throw error
    }
  }

  /**
   * Makes a commit that is in the store the newest state. Throws COMMIT_UNKNOWN if the file of the
   * commit cannot be read back. After COMMIT_UNKNOWN, the connection does not see the commit. The
   * commit is nevertheless not rolled back.
   */
  async #adopt(file: CommittedFile): Promise<void> {
    const { adoption, client, refresh } = this.#parts
    try {
      await adoption.inStore(file)
    } catch (cause) {
      await refresh()
      if (adoption.stored.txid >= file.info.maxTxid) return
      const txid = formatTxid(file.info.maxTxid)
      throw new LitestreamError(
        'COMMIT_UNKNOWN',
        `${client.url}: the store has the file of TXID ${txid}, but the file cannot be read: ${toLitestreamError(cause).message}`,
        {
          file: client.url,
          hint: 'Do not repeat the transaction, because the transaction is committed. Find out why the store does not return the LTX file.',
          cause,
        },
      )
    }
  }

  #report(type: 'conflict' | 'fenced', { code, message }: LitestreamError): void {
    this.#parts.emit({ type, code, message })
  }

  #refuse(request: BridgeRequest, error: unknown): void {
    failRequest(request.id, error)
  }

  /** Waits at most CLOSE_MS for the running commit, and then releases the lease. */
  async close(): Promise<void> {
    native.setWritable(this.#parts.replica, false, this.#parts.options.timeout)
    reached('close')
    const timer = startTimer(CLOSE_MS, () => this.#abort.abort())
    try {
      await this.#underWay
      await this.#local?.close()
    } finally {
      timer.stop()
      await this.#compaction?.close()
      await this.#right?.release()
      reached('released')
    }
  }
}

/** Resolves when `promise` has resolved or rejected. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}

function conflict(client: ReplicaClient, why: string): LitestreamError {
  return new LitestreamError('WRITE_CONFLICT', `${client.url}: the transaction cannot be committed: ${why}`, {
    file: client.url,
    hint: 'Repeat the transaction. BEGIN IMMEDIATE avoids conflicts between connections of one process.',
  })
}
