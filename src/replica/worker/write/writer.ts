import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { native } from '../../../native/addon.js'
import type { BridgeRequest } from '../../../native/replica.js'
import type { ReplicaClient } from '../../../storage/replica-client.js'
import { startTimer } from '../../../util/timers.js'
import type { ResolvedWriteOptions } from '../../options.js'
import type { ReplicaView } from '../pages/view-set.js'
import { CommitFile } from './commit-file.js'
import type { CommittedFile } from './committed-file.js'
import { putCommit } from './put-commit.js'
import { RightToWrite } from './right-to-write.js'

/** How long a closing waits for a commit whose outcome is unknown, milliseconds. */
const CLOSE_MS = 10_000

/** What a writer reports to the handles of its replica. */
export type WriteEvent =
  | { readonly type: 'commit'; readonly txid: number; readonly pages: number; readonly bytes: number }
  | { readonly type: 'conflict'; readonly code: string; readonly message: string }
  | { readonly type: 'fenced'; readonly code: string; readonly message: string }

export interface WriterParts {
  readonly replica: number
  readonly client: ReplicaClient
  readonly options: ResolvedWriteOptions
  readonly viewOf: (id: number) => ReplicaView | undefined
  readonly current: () => ReplicaView
  /** Makes the state that the file leads to the current one; resolves with its view. */
  readonly adopt: (file: CommittedFile) => Promise<ReplicaView>
  /** Polls until everything that is in the store is known. */
  readonly refresh: () => Promise<void>
  readonly emit: (event: WriteEvent) => void
}

export interface WriteCounts {
  commits: number
  conflicts: number
  /** Commits whose outcome was unknown for a time. */
  ambiguous: number
  pages: number
  /** Bytes of the LTX files. */
  bytes: number
}

/**
 * Commits of this process to one replica. A commit is the create-only PUT of the next L0 file: of two writers that believe they may
 * write, the store lets one win. Worker thread; one commit at a time, because native code gives the RESERVED lock to one connection.
 */
export class ReplicaWriter {
  readonly #parts: WriterParts
  readonly #right: RightToWrite | undefined
  readonly #abort = new AbortController()
  readonly #counts: WriteCounts = { commits: 0, conflicts: 0, ambiguous: 0, pages: 0, bytes: 0 }
  /** A commit that is under way, also one whose connection has stopped waiting. */
  #underWay: Promise<void> | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
    const { lease } = parts.options
    if (lease !== undefined) {
      this.#right = new RightToWrite(parts.client, lease, (error) => this.#report('fenced', error))
    }
    native.setWritable(parts.replica, true, parts.options.timeout)
  }

  get counts(): WriteCounts {
    return { ...this.#counts }
  }

  /** A connection wants the RESERVED lock. */
  async onBegin(request: BridgeRequest): Promise<void> {
    try {
      // The truth about the last commit comes before the next one.
      await this.#underWay
      // Whoever had the lease before has written what is not known here.
      if (await this.#right?.ensure()) await this.#parts.refresh()
      native.completeRequest(request.id)
    } catch (error) {
      this.#refuse(request, error)
    }
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

  /** Every commit of this process has reached the store, or it is known why not. */
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
  }

  async #commit(request: BridgeRequest): Promise<ReplicaView> {
    const { client, current, adopt, emit, refresh } = this.#parts
    const taken = native.takeCommit(request.id)
    const base = this.#parts.viewOf(request.view)
    if (!taken || !base) throw conflict(client, 'the state that it was based on is gone')
    if (base !== current()) throw conflict(client, 'another writer committed meanwhile')
    const { txid, timestamp } = base.state
    // Never earlier than the file before, whatever the clock does: restores to a point in time rely on it.
    const commit = new CommitFile(taken, { txid: txid + 1, timestamp: Math.max(Date.now(), timestamp) })
    try {
      const info = await putCommit(client, commit, {
        signal: this.#abort.signal,
        onAmbiguous: () => {
          this.#counts.ambiguous++
        },
      })
      const view = await adopt({ info, bytes: commit.bytes })
      this.#counts.commits++
      this.#counts.pages += commit.pageCount
      this.#counts.bytes += info.size
      emit({ type: 'commit', txid: commit.txid, pages: commit.pageCount, bytes: info.size })
      return view
    } catch (error) {
      if (isLitestreamError(error, 'REPLICA_FENCED')) {
        this.#counts.conflicts++
        this.#report('conflict', error)
        // The next transaction begins on the state that won.
        await refresh()
      }
      throw error
    }
  }

  #report(type: 'conflict' | 'fenced', { code, message }: LitestreamError): void {
    this.#parts.emit({ type, code, message })
  }

  #refuse(request: BridgeRequest, error: unknown): void {
    const { code, message } = toLitestreamError(error)
    native.failRequest(request.id, code, message)
  }

  /** Waits for the commit under way, for a bounded time, and gives the lease back. */
  async close(): Promise<void> {
    native.setWritable(this.#parts.replica, false, this.#parts.options.timeout)
    const timer = startTimer(CLOSE_MS, () => this.#abort.abort())
    try {
      await this.#underWay
    } finally {
      timer.stop()
      await this.#right?.release()
    }
  }
}

/** Resolves when a promise has an outcome, whichever. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}

function conflict(client: ReplicaClient, why: string): LitestreamError {
  return new LitestreamError('WRITE_CONFLICT', `${client.url}: the transaction cannot be committed: ${why}`, {
    file: client.url,
    hint: 'Repeat the transaction; BEGIN IMMEDIATE avoids the conflict within one process.',
  })
}
