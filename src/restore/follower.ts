import { MAX_INPUTS, sourceOf } from '../compaction/compact.js'
import { mergeLtx } from '../compaction/merge.js'
import { isLitestreamError, LitestreamError } from '../errors.js'
import { removeFile } from '../fs/remove.js'
import { createTemporary } from '../fs/temporary.js'
import { fileIdentity } from '../levels/file-identity.js'
import { type FilesByLevel, listLevels, selectFollowing, withoutFiles } from '../levels/plan.js'
import { planAround } from '../levels/plan-around.js'
import { fileLabel } from '../ltx/file-label.js'
import { HEADER_SIZE, SNAPSHOT_LEVEL } from '../ltx/format.js'
import { decodeHeader } from '../ltx/header.js'
import { formatTxid } from '../ltx/txid.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { linkAbort, throwIfAborted } from '../util/abort.js'
import { Doubling } from '../util/back-off.js'
import type { Resolved } from '../util/check-arguments.js'
import type { Duration } from '../util/duration.js'
import { pause } from '../util/pause.js'
import { withDeadline } from '../util/wait.js'
import { type Position, savePosition } from './follow-position.js'
import type { FollowerFile } from './follower-file.js'
import type { RestoreOptions } from './restore-options.js'

export interface FollowOptions
  extends Pick<RestoreOptions, 'output' | 'integrityCheck' | 'parallelism' | 'onProgress' | 'force'> {
  /**
   * Interval between two polls of the replica (default 1 s). If the store can report changes, each
   * reported change also starts a poll.
   */
  readonly interval?: Duration
  /**
   * Called at the start, and each time the database has reached a new TXID. `files` is the number
   * of LTX files that were applied to reach the new TXID.
   */
  readonly onAdvance?: (state: { readonly txid: number; readonly files: number }) => void
  /**
   * Called with an error, for example a gap in the replica. After `onError` returns, the follower
   * tries again.
   */
  readonly onError?: (error: unknown) => void
  /** Called if the check of the restored database reported faults (see RestoreResult.warnings). */
  readonly onWarning?: (warning: string) => void
  /** If the signal aborts, following ends and the promise resolves. */
  readonly signal: AbortSignal
  /**
   * Time limit of the first restore and of each later poll. If the first restore exceeds `timeout`,
   * the follower fails with TIMEOUT. If a later poll exceeds `timeout`, the follower cancels the
   * poll and its changes, calls `onError`, and retries. Without `timeout`, only the time limits of
   * the store apply.
   */
  readonly timeout?: Duration
}

/** After this many polls that list only level 0, one poll lists all levels. */
const FULL_POLL_EVERY = 30
const RETRY_MOST = 60_000
/** Milliseconds between two attempts to get a lock on the database that readers hold. */
const LOCK_RETRY = 50

/** Codes of the errors that a retry cannot fix. */
const FATAL = ['REPLICA_RESET', 'HYDRATION_CONFLICT', 'PAGE_SIZE_MISMATCH', 'INVALID_ARGUMENT'] as const

/** Applies new LTX files of a replica to a database until its signal aborts. */
export class Follower {
  readonly #client: ReplicaClient
  readonly #file: FollowerFile
  readonly #options: Resolved<FollowOptions>
  #at: Position
  /**
   * An LTX file that ends at the position of the database. While the store lists an LTX file that
   * ends at the position of the database, the replica was not reset.
   */
  #newest: LtxFileInfo | undefined
  #wake: (() => void) | undefined

  constructor(client: ReplicaClient, file: FollowerFile, at: Position, options: Resolved<FollowOptions>) {
    this.#client = client
    this.#file = file
    this.#at = at
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal, timeout, interval = 1000, onError } = this.#options
    await this.#watch().catch((error: unknown) => onError?.(error))
    const pauses = new Doubling(interval, Math.max(interval, RETRY_MOST))
    let isFailing = false
    for (let poll = 0; !signal.aborted; poll++) {
      let wait = interval
      try {
        // The first poll lists all levels. LTX files may have been compacted since the position of
        // the database was saved.
        const all = poll % FULL_POLL_EVERY === 0 || isFailing
        const step = withDeadline(`polling ${this.#client.url}`, { signal, timeout }, (linked = signal) => {
          return this.#step(all, linked)
        })
        if (await step) wait = 0
        isFailing = false
        pauses.reset()
      } catch (error) {
        if (signal.aborted) return
        if (isLitestreamError(error, ...FATAL)) throw error
        onError?.(error)
        isFailing = true
        wait = pauses.next()
      }
      if (wait > 0) await this.#sleep(wait)
    }
  }

  /**
   * Starts the watch of the store, and resolves when the watch has started. The watch ends when the
   * signal aborts.
   */
  async #watch(): Promise<void> {
    const { signal, timeout } = this.#options
    const watch = async () => this.#client.watch?.(() => this.#wake?.(), { signal })
    await withDeadline(`watching ${this.#client.url}`, { signal, timeout }, watch, { abandon: true })
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#options
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const unlink = linkAbort(signal, woken)
    await pause(ms, woken.signal)
    unlink()
    this.#wake = undefined
  }

  /**
   * Applies the next LTX files. Returns false if the replica has no further LTX file. If `all` is
   * true, #step() lists all levels.
   */
  async #step(all: boolean, signal: AbortSignal): Promise<boolean> {
    const files = await this.#next(all, new Set(), signal)
    if (files.length === 0) return false
    let first: LtxFileInfo[] | undefined = files
    await planAround({
      // If an LTX file is missing or damaged, the next plan searches all levels for other LTX
      // files.
      plan: async (without) => {
        const chosen = first ?? (await this.#next(true, without, signal))
        first = undefined
        return chosen
      },
      use: (chosen) => this.#advance(chosen, signal),
      onDamaged: (error) => this.#options.onError?.(error),
    })
    return true
  }

  /**
   * Returns the LTX files that follow the position of the database. Usually these files are L0
   * files, and one listing is sufficient.
   */
  async #next(all: boolean, without: ReadonlySet<string>, signal: AbortSignal): Promise<LtxFileInfo[]> {
    const from = this.#newest?.level === 0 ? this.#newest.minTxid : this.#at.txid + 1
    const level0: LtxFileInfo[] = []
    for await (const file of this.#client.list(0, { fromTxid: from, signal })) level0.push(file)
    const next = level0.filter(({ maxTxid }) => maxTxid > this.#at.txid)
    // If the store still lists the LTX file that was applied last, the replica was not reset.
    const newest = this.#newest
    const isKnown =
      newest?.level === 0 ? level0.some((file) => fileIdentity(file) === fileIdentity(newest)) : next.length === 0
    if (!all && isKnown && (next.length === 0 || next[0]!.minTxid === this.#at.txid + 1)) {
      return selectFollowing([next], this.#at.txid).slice(0, MAX_INPUTS)
    }
    const levels = withoutFiles(await listLevels(this.#client, signal), without)
    await this.#checkHistory(levels, signal)
    return selectFollowing(levels, this.#at.txid).slice(0, MAX_INPUTS)
  }

  /**
   * Checks that the replica was not reset. A replica that was reset ends before the TXID of the
   * database, or has LTX files up to that TXID whose times do not match. Throws REPLICA_RESET.
   */
  async #checkHistory(levels: FilesByLevel, signal: AbortSignal): Promise<void> {
    const { output } = this.#options
    const { txid, timestamp } = this.#at
    const files = levels.flat()
    const end = files.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0)
    if (files.length === 0) {
      throw new LitestreamError('REPLICA_EMPTY', `${this.#client.url} no longer has any files`, {
        file: this.#client.url,
      })
    }
    if (end < txid) {
      throw this.#wasReset(`ends at TXID ${formatTxid(end)}, but ${output} is at TXID ${formatTxid(txid)}`)
    }
    const newest = this.#newest
    if (newest && files.some((file) => fileIdentity(file) === fileIdentity(newest))) return
    const before = files.filter(({ maxTxid }) => maxTxid <= txid)
    const reached = before.reduce((max, { maxTxid }) => Math.max(max, maxTxid), 0)
    const last = before.filter(({ maxTxid }) => maxTxid === reached)
    if (last.length === 0) return
    const times = new Map<LtxFileInfo, number>()
    for (const file of last) {
      const { data } = await this.#client.read(file, { offset: 0, length: HEADER_SIZE }, { signal })
      const found = decodeHeader(data, fileLabel(this.#client, file)).timestamp
      if (reached === txid && (found === timestamp || timestamp === Number.POSITIVE_INFINITY)) {
        this.#newest = file
        return
      }
      times.set(file, found)
    }
    // A snapshot has the time at which it was written. The time of a snapshot is later than the
    // time of other LTX files with the same TXID. The database may come from a snapshot that no
    // longer exists.
    const earlier = [...times].filter(([{ level }, found]) => {
      return found <= timestamp && (reached < txid || level < SNAPSHOT_LEVEL)
    })
    if (earlier.length > 0) {
      if (reached === txid) this.#newest = earlier[0]![0]
      return
    }
    const [own, other] = [timestamp, Math.min(...times.values())].map((time) => new Date(time).toISOString())
    throw this.#wasReset(
      `has TXID ${formatTxid(reached)} with the time ${other}, but ${output} has TXID ${formatTxid(txid)} with the time ${own}`,
    )
  }

  #wasReset(what: string): LitestreamError {
    return new LitestreamError('REPLICA_RESET', `${this.#client.url} was reset: the replica ${what}`, {
      file: this.#client.url,
      hint: 'Choose a new output file, or run the restore again with -force to replace the database.',
    })
  }

  /**
   * Applies LTX files as one change. The follower makes the change as soon as readers release their
   * locks.
   */
  async #advance(files: readonly LtxFileInfo[], signal: AbortSignal): Promise<void> {
    const { output, onAdvance } = this.#options
    const newest = files.at(-1)!
    // The LTX files are merged into one local file, because `apply` reads that file twice and must
    // not wait for the network while `apply` holds the lock.
    const { path: spool, handle } = await createTemporary(output)
    try {
      const { header, bytes } = await mergeLtx(files.map((file) => sourceOf(this.#client, file, { signal })))
      for await (const chunk of bytes) await handle.writeFile(chunk)
      const read = () => handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 })
      // An error of the merged file is reported as an error of the newest LTX file. The other LTX
      // files were checked while they were merged.
      while (!(await this.#file.apply(read, fileLabel(this.#client, newest)))) {
        throwIfAborted(signal, `applying to ${output}`)
        await pause(LOCK_RETRY, signal)
      }
      this.#at = { txid: header.maxTxid, timestamp: header.timestamp }
      this.#newest = newest
      await savePosition(output, this.#at)
      onAdvance?.({ txid: header.maxTxid, files: files.length })
    } finally {
      await handle.close()
      await removeFile(spool)
    }
  }
}
