import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { fileIdentity } from '../../../levels/file-identity.js'
import { type FilesByLevel, selectPlan, withoutFiles } from '../../../levels/plan.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { formatTxid } from '../../../ltx/txid.js'
import { isSameFile } from '../../../storage/object-identity.js'
import type { LtxFileInfo, ReplicaClient } from '../../../storage/replica-client.js'
import { onAbort } from '../../../util/abort.js'
import { Doubling } from '../../../util/back-off.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { startTimer, type Timer } from '../../../util/timers.js'
import { type Chain, type ChainState, type Extension, farthestTxid, selectExtension } from './chain.js'

/** The result of a poll. `startedAt` is the monotonic time at which the poll began. */
export type PollOutcome = { readonly startedAt: number } & (
  | { readonly kind: 'unchanged' }
  /** `advanced` means that new files continue the known state. */
  | { readonly kind: 'advanced'; readonly extension: Extension }
  /** `moved` means that the state has the same TXID as before, but consists of other files. */
  | { readonly kind: 'moved'; readonly state: ChainState }
  /**
   * `rebuilt` means that the state was loaded again from a snapshot. The state is loaded again if
   * files between the known state and the new state are missing (a gap), or if the replica was
   * reset.
   */
  | {
      readonly kind: 'rebuilt'
      readonly state: ChainState
      /**
       * `replaced` means that all files of the known state were replaced. The new files are not
       * newer than the known state.
       */
      readonly reason: 'gap' | 'reset' | 'replaced' | 'page-size'
      readonly message: string
    }
  /**
   * `gap` means that the store has newer files, but files between the known state and these newer
   * files are missing.
   */
  | { readonly kind: 'gap'; readonly message: string }
  | { readonly kind: 'failed'; readonly error: LitestreamError }
)

/**
 * Number of polls without new files before the poll interval grows. Factor by which the interval
 * grows.
 */
const IDLE_POLLS = 10
const IDLE_GROWTH = 1.5
/**
 * Longest poll interval in milliseconds while a damaged file blocks progress. A poll therefore
 * finds a repaired or newer file after at most DAMAGE_INTERVAL_MS.
 */
const DAMAGE_INTERVAL_MS = 10_000
/**
 * Poll interval in milliseconds if the store has a watch. A watch reports new files. Polls only
 * find the files that the watch has failed to report.
 */
const WATCHED_INTERVAL_MS = 5000
/**
 * If the newest known file is a compacted file, the poll of level 0 cannot prove that the known
 * state is current. The compacted levels are therefore also listed every RELIST_INTERVAL_MS
 * milliseconds. By default, an L0 file exists for at least five minutes. No L0 file can therefore
 * appear and disappear between two of these listings.
 */
export const RELIST_INTERVAL_MS = 25_000

/** Maximum number of attempts of one poll if this process commits during the poll. */
const DISTURBED_POLLS = 3

/**
 * Number of consecutive re-lists that find older TXIDs and no younger file. After this many
 * re-lists, the replica counts as reset.
 */
const GONE_BACK_LOOKS = 3

export interface PollerOptions {
  readonly chain: Chain
  readonly client: ReplicaClient
  /** Poll interval in milliseconds while new files arrive. */
  readonly interval: number
  /** Longest poll interval in milliseconds while no new files arrive. */
  readonly idleInterval: number
  /**
   * Interval in milliseconds at which the compacted levels are listed if the newest known file is a
   * compacted file.
   */
  readonly relistInterval?: number
  readonly signal: AbortSignal
  /** Returns the maximum size in bytes of a new file that the worker reads whole. */
  readonly wholeFiles?: () => number
  readonly state: () => ChainState
  readonly onOutcome: (outcome: PollOutcome) => void
}

/**
 * Polls the store for new files. A poll is one LIST of level 0, beginning with the newest known
 * file. If the LIST contains the newest known file, the replica was not reset, and no later L0 file
 * was deleted. If the LIST does not contain the newest known file, the poller re-lists all levels.
 */
export class Poller {
  readonly #options: PollerOptions
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #watched = false
  /** The monotonic time of the latest re-list that found no newer file. */
  #relistedAt = monotonicMs()
  /**
   * The monotonic time of the latest call of `pollForCertain()`. A re-list that started before a
   * call of `pollForCertain()` does not satisfy the call.
   */
  #askedAt = Number.NEGATIVE_INFINITY
  /** The error because of which the state must be loaded again from other files. */
  #reloadFor: LitestreamError | undefined
  /** Number of consecutive re-lists that found only older TXIDs. */
  #goneBack = 0
  /** Number of consecutive polls without new files. */
  #idle = 0
  /**
   * The growing poll intervals for the time in which a damaged file blocks progress. While a
   * damaged file blocks progress, each poll reads many files without success.
   */
  readonly #damagePauses: Doubling
  #damagePause = 0

  constructor(options: PollerOptions) {
    this.#options = options
    this.#damagePauses = new Doubling(options.interval, Math.max(options.interval, DAMAGE_INTERVAL_MS))
    onAbort(options.signal, () => this.#timer?.stop())
  }

  /**
   * Starts the poll loop. `waited` is the number of milliseconds since the opening. The first poll
   * begins at most one poll interval after the opening.
   */
  start(waited = 0): void {
    const { client, signal } = this.#options
    if (signal.aborted) return
    if (client.watch) {
      client
        .watch(() => void this.pollNow(), { signal })
        .then(
          () => {
            this.#watched = true
            // The watch does not report files that were written after the first view and before the
            // start of the watch.
            void this.pollNow()
          },
          () => undefined, // if the watch cannot start, polls find the new files
        )
    }
    this.#schedule(waited)
  }

  /** Resolves when no poll is running. */
  async stopped(): Promise<void> {
    while (this.#running !== undefined) await (this.#next ?? this.#running)
  }

  /**
   * Starts a new poll, and resolves when this poll ends. If a poll is running, the new poll begins
   * when the running poll ends. Concurrent callers share the new poll, so a caller waits for at
   * most two polls.
   */
  pollNow(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined) return this.#start()
    this.#next = this.#running.then(() => this.#start())
    return this.#next
  }

  /**
   * Resolves after a new poll that sees every L0 file that was written before this call. Unlike a
   * poll of `pollNow`, the poll also sees L0 files that were already compacted and deleted.
   */
  pollForCertain(): Promise<void> {
    this.#askedAt = monotonicMs()
    return this.pollNow()
  }

  /**
   * Makes the next poll load the state again, because the current state uses a file with a wrong
   * page index.
   */
  requireReload(cause: LitestreamError): void {
    this.#reloadFor = cause
  }

  #start(): Promise<void> {
    this.#timer?.stop()
    this.#next = undefined
    this.#running = this.#pollOnce().finally(() => {
      this.#running = undefined
      if (this.#next === undefined) this.#schedule()
    })
    return this.#running
  }

  #schedule(waited = 0): void {
    if (this.#options.signal.aborted) return
    this.#timer?.stop()
    const interval = this.#watched
      ? Math.max(this.#options.interval, WATCHED_INTERVAL_MS)
      : Math.max(this.#damagePause, pollInterval(this.#options, this.#idle))
    // The jitter only shortens the interval, so that many readers that started together poll at
    // different times. No reader waits longer than the configured interval.
    this.#timer = startTimer(interval * (0.9 + Math.random() * 0.1) - waited, () => this.pollNow())
    this.#timer.unref()
  }

  async #pollOnce(): Promise<void> {
    if (this.#options.signal.aborted) return
    const startedAt = monotonicMs()
    let outcome: PollOutcome
    try {
      outcome = { startedAt, ...(await this.#pollUndisturbed()) } as PollOutcome
    } catch (error) {
      if (this.#options.signal.aborted) return
      outcome = isLitestreamError(error, 'LTX_GAP')
        ? { startedAt, kind: 'gap', message: error.message }
        : { startedAt, kind: 'failed', error: toLitestreamError(error) }
    }
    if (this.#options.signal.aborted) return
    this.#idle = outcome.kind === 'unchanged' ? this.#idle + 1 : 0
    const isDamaged = outcome.kind === 'failed' && outcome.error.code === 'LTX_CORRUPT'
    this.#damagePause = isDamaged ? this.#damagePauses.next() : 0
    if (!isDamaged) this.#damagePauses.reset()
    try {
      this.#options.onOutcome(outcome)
    } catch (error) {
      this.#options.onOutcome({ startedAt, kind: 'failed', error: toLitestreamError(error) })
    }
  }

  /**
   * Polls until an outcome is valid for the current state. If this process commits during a poll,
   * the outcome is based on an outdated state, so the poll is repeated. After DISTURBED_POLLS
   * attempts, the result is `unchanged`. In this case, each of the commits that disturbed the polls
   * has proved that the store had no newer file.
   */
  async #pollUndisturbed(): Promise<WithoutStart<PollOutcome>> {
    for (let attempt = 1; attempt <= DISTURBED_POLLS; attempt++) {
      const before = this.#options.state()
      const outcome = await this.#poll()
      if (this.#options.state() === before) return outcome
    }
    return { kind: 'unchanged' }
  }

  async #poll(): Promise<WithoutStart<PollOutcome>> {
    const { chain, state: current } = this.#options
    const state = current()
    if (this.#reloadFor) return this.#reload(state, this.#reloadFor)
    if (state.txid === 0) return this.#awaitFirst()
    const { anchor } = state
    const raw = await chain.list(0, anchor.level === 0 ? anchor.minTxid : state.txid + 1)
    const next = raw.filter((file) => file.maxTxid > state.txid)
    const known =
      anchor.level === 0
        ? raw.some((file) => this.#isAnchor(file, anchor))
        : next.length > 0 || (await this.#isNewest(state))
    if (!known || !contiguous(next, state.txid)) return this.#survey(state)
    this.#goneBack = 0
    if (next.length === 0) return { kind: 'unchanged' }
    try {
      // If a new L0 file is damaged, no other L0 file can continue the state.
      const plan = async (without: ReadonlySet<string>) => (without.size === 0 ? next : [])
      const extension = await chain.extend(state, plan, this.#options.wholeFiles?.())
      // If the newest known file is not an L0 file, the new files are valid only if the known file
      // still exists after they were read.
      if (anchor.level !== 0 && !(await chain.stands(anchor, state.timestamp))) return this.#survey(state)
      return { kind: 'advanced', extension }
    } catch (error) {
      // The poller re-lists all levels if retention deleted a file after the listing, if a file is
      // damaged, or if the page size changed.
      if (isLitestreamError(error, 'NOT_FOUND', 'LTX_CORRUPT', 'PAGE_SIZE_MISMATCH')) return this.#survey(state)
      throw error
    }
  }

  /**
   * Polls a replica that had no files. Another writer may have created the first file of the
   * replica.
   */
  async #awaitFirst(): Promise<WithoutStart<PollOutcome>> {
    try {
      const state = await this.#options.chain.load()
      return { kind: 'rebuilt', state, reason: 'replaced', message: 'another writer created the replica' }
    } catch (error) {
      if (isLitestreamError(error, 'REPLICA_EMPTY')) return { kind: 'unchanged' }
      throw error
    }
  }

  /**
   * Recognizes the newest known file in a listing. A file that this process wrote is recognized by
   * its name and size. The file's time and version are known only after the first listing.
   */
  #isAnchor(file: LtxFileInfo, anchor: LtxFileInfo): boolean {
    if (sameFile(file, anchor)) return true
    return this.#options.chain.written.has(anchor) && sameName(file, anchor) && isSameFile(file, anchor)
  }

  /**
   * Whether the compacted file at the end of the state still exists, and no other file has a higher
   * TXID. A listing of L0 files alone does not prove that the state is the newest. L0 files that
   * were written after the last listing may have been compacted and deleted, and a reset replica
   * may have no L0 file above the known TXID.
   */
  async #isNewest(state: ChainState): Promise<boolean> {
    const startedAt = monotonicMs()
    const due = this.#relistedAt + (this.#options.relistInterval ?? RELIST_INTERVAL_MS)
    if (startedAt < due && this.#askedAt < this.#relistedAt) return true
    const files = await this.#options.chain.listCompacted(state.anchor.minTxid)
    const newest =
      files.some((file) => sameFile(file, state.anchor)) && files.every((file) => file.maxTxid <= state.txid)
    if (newest) this.#relistedAt = startedAt
    return newest
  }

  /**
   * Whether the newest file that ends at or before the known state is at least as old as that
   * state, according to the times in the file headers. In a reset replica, every file is younger
   * than the known state. `#isOlder` recognizes a replica whose known files were all replaced by
   * compaction.
   */
  async #isOlder(files: FilesByLevel, state: ChainState): Promise<boolean> {
    const ends = files.flat().filter((file) => file.maxTxid <= state.txid)
    const last = ends.reduce<LtxFileInfo | undefined>(
      (best, file) => (best && best.maxTxid >= file.maxTxid ? best : file),
      undefined,
    )
    if (!last) return false
    const { createdAt } = await this.#options.client.stat(last, { signal: this.#options.signal })
    return last.maxTxid === state.txid ? createdAt === state.timestamp : createdAt <= state.timestamp
  }

  /**
   * Re-lists every level. Decides which state the replica has, and whether the replica was reset.
   * If the state is uncertain, `#survey` throws, and the next poll re-lists again.
   */
  async #survey(state: ChainState): Promise<WithoutStart<PollOutcome>> {
    const startedAt = monotonicMs()
    this.#relistedAt = Number.NEGATIVE_INFINITY
    const outcome = await this.#relist(state)
    if (outcome.kind !== 'gap') this.#relistedAt = startedAt
    return outcome
  }

  async #relist(state: ChainState, again = false): Promise<WithoutStart<PollOutcome>> {
    const { chain } = this.#options
    const files = await chain.listAll()
    const farthest = farthestTxid(files)
    // A listing may be stale. The worker assumes a reset only if the newest known file does not
    // exist in the store.
    const { anchor } = state
    const listed = files[anchor.level].some((file) => sameName(file, anchor))
    if (!listed && (farthest <= state.txid || !knownFile(files, state, chain)) && (await chain.stands(anchor))) {
      throw new LitestreamError(
        'UNAVAILABLE',
        `the listing of the store omits ${fileLabel(chain, anchor)}, although this file exists`,
        {
          file: fileLabel(chain, anchor),
          hint: 'Wait: at its next poll, the reader lists the files of the replica again.',
        },
      )
    }
    if (farthest === 0) return { kind: 'gap', message: 'the replica no longer has any files' }
    this.#goneBack = farthest < state.txid ? this.#goneBack + 1 : 0
    if (farthest < state.txid) {
      const message = `the replica went back from TXID ${formatTxid(state.txid)} to TXID ${formatTxid(farthest)}`
      // All listed files are older than the newest known file. The newest known file no longer
      // exists. A stale listing may omit the file that compaction made from it.
      if (this.#goneBack < GONE_BACK_LOOKS && (await this.#isOlder(files, state))) {
        throw new LitestreamError('UNAVAILABLE', message, {
          hint: 'Wait: at its next poll, the reader finds out whether the replica was reset.',
        })
      }
      const loaded = await this.#load(farthest)
      return { kind: 'rebuilt', state: loaded, reason: 'reset', message: `${message}: the replica was reset` }
    }
    // If a file of the known state still exists, the replica was not reset.
    const proof = knownFile(files, state, chain)
    if (!proof) {
      const older = await this.#isOlder(files, state)
      const loaded = await this.#load(farthest)
      const reset = loaded.timestamp !== state.timestamp || loaded.txid !== state.txid
      const message = 'the files of the previous listing no longer exist: the replica was reset'
      if (!reset) return { kind: 'moved', state: loaded }
      return { kind: 'rebuilt', state: loaded, reason: older ? 'replaced' : 'reset', message }
    }
    try {
      const planOn = async (without: ReadonlySet<string>) => selectExtension(withoutFiles(files, without), state.txid)
      const plan = await planOn(new Set())
      if (plan.length === 0 && farthest > state.txid) {
        // The levels are not listed at the same instant. A listed snapshot may contain an L0 file
        // that was written after level 0 was listed.
        if (!again) return await this.#relist(state, true)
        const newest = formatTxid(farthest)
        throw new LitestreamError(
          'LTX_GAP',
          `only a snapshot continues the replica from TXID ${formatTxid(state.txid)} to TXID ${newest}`,
        )
      }
      const outcome: WithoutStart<PollOutcome> =
        plan.length === 0
          ? { kind: 'moved', state: await this.#fromListing(state, files) }
          : { kind: 'advanced', extension: await chain.extend(state, planOn) }
      // The levels are not listed at the same instant. If the replica was reset between two
      // listings, the worker may have read files of the new replica. A reset deletes all files
      // first. If a known file still exists after the reads, no reset happened.
      if (await chain.stands(proof)) return outcome
      throw new LitestreamError(
        'UNAVAILABLE',
        `${fileLabel(chain, proof)} was deleted during the read of the files after it`,
        {
          file: fileLabel(chain, proof),
          hint: 'Wait: at its next poll, the reader lists the files of the replica again.',
        },
      )
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_GAP', 'LTX_CORRUPT', 'NOT_FOUND', 'PAGE_SIZE_MISMATCH')) throw error
      // The files that were read cannot continue the known state. A newer snapshot may exist.
      const loaded = await chain.load()
      if (loaded.txid <= state.txid) throw error
      const reason = loaded.pageSize === state.pageSize ? 'gap' : 'page-size'
      return { kind: 'rebuilt', state: loaded, reason, message: error.message }
    }
  }

  /**
   * Loads the state at `state.txid` or at a later TXID from another set of files. Throws `cause` if
   * no set of files reaches `state.txid`.
   */
  async #reload(state: ChainState, cause: LitestreamError): Promise<WithoutStart<PollOutcome>> {
    const loaded = await this.#options.chain.load().catch((error: unknown) => {
      throw isLitestreamError(error, 'LTX_GAP', 'TXID_NOT_AVAILABLE', 'REPLICA_EMPTY') ? cause : error
    })
    if (loaded.txid < state.txid) throw cause
    this.#reloadFor = undefined
    return { kind: 'rebuilt', state: loaded, reason: 'replaced', message: cause.message }
  }

  /**
   * Loads the newest state of the replica. `farthest` is the TXID that the previous listing
   * reached. If the next listing does not reach `farthest`, the listing is stale and `#load` throws
   * UNAVAILABLE.
   */
  async #load(farthest: number): Promise<ChainState> {
    const loaded = await this.#options.chain.load()
    if (loaded.txid >= farthest) return loaded
    throw new LitestreamError(
      'UNAVAILABLE',
      `a listing reached TXID ${formatTxid(farthest)}, but the listing after it does not`,
      {
        hint: 'Wait: at its next poll, the reader lists the files of the replica again.',
      },
    )
  }

  /**
   * Loads the same state from the files that are listed now. A view represents one TXID, and reads
   * its pages from the files of the loaded state. The loaded state must therefore not contain newer
   * changes.
   */
  async #fromListing(state: ChainState, files: FilesByLevel): Promise<ChainState> {
    const moved = await this.#options.chain.loadListed(files, { txid: state.txid })
    if (!moved) selectPlan(files) // selectPlan throws LTX_GAP if files are missing
    const is = (key: 'timestamp' | 'pageSize' | 'commit') => moved?.[key] === state[key]
    if (moved && is('timestamp') && is('pageSize') && is('commit')) return moved
    throw new LitestreamError('UNAVAILABLE', `no set of the listed files reaches TXID ${formatTxid(state.txid)}`, {
      hint: 'Wait: at its next poll, the reader lists the files of the replica again.',
    })
  }
}

/**
 * Returns the milliseconds until the next poll, without jitter. `idle` is the number of consecutive
 * polls without new files.
 */
export function pollInterval(
  { interval, idleInterval }: Pick<PollerOptions, 'interval' | 'idleInterval'>,
  idle: number,
): number {
  return Math.max(interval, Math.min(idleInterval, interval * IDLE_GROWTH ** Math.max(0, idle - IDLE_POLLS)))
}

type WithoutStart<T> = T extends unknown ? Omit<T, 'startedAt'> : never

/**
 * Returns the newest listed file that belongs to the known state. As long as a file of the known
 * state exists, the replica was not reset. Files that only a time-travelling connection has read do
 * not count, because such a connection may have read files of a reset replica before the next poll.
 */
function knownFile(files: FilesByLevel, { txid, map, anchor }: ChainState, chain: Chain): LtxFileInfo | undefined {
  const ordinals = new Set<number>()
  map.collectFiles(ordinals)
  const known = new Set([...ordinals].filter(Boolean).map((ordinal) => fileIdentity(chain.files.get(ordinal))))
  known.add(fileIdentity(anchor))
  return files
    .flat()
    .filter((file) => file.maxTxid <= txid && known.has(fileIdentity(file)))
    .reduce<LtxFileInfo | undefined>((best, file) => (best && best.maxTxid >= file.maxTxid ? best : file), undefined)
}

function sameFile(a: LtxFileInfo, b: LtxFileInfo): boolean {
  return fileIdentity(a) === fileIdentity(b)
}

function sameName(a: LtxFileInfo, b: LtxFileInfo): boolean {
  return a.minTxid === b.minTxid && a.maxTxid === b.maxTxid
}

function contiguous(files: readonly LtxFileInfo[], txid: number): boolean {
  let reached = txid
  for (const file of files) {
    if (file.minTxid > reached + 1) return false
    reached = Math.max(reached, file.maxTxid)
  }
  return true
}
