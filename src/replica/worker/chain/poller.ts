import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import { fileIdentity, fileLabel } from '../../../levels/file-label.js'
import { type FilesByLevel, selectPlan, withoutFiles } from '../../../levels/plan.js'
import { formatTxid } from '../../../ltx/txid.js'
import { isSameFile } from '../../../storage/object-identity.js'
import type { LtxFileInfo, ReplicaClient } from '../../../storage/replica-client.js'
import { onAbort } from '../../../util/abort.js'
import { Doubling } from '../../../util/doubling.js'
import { monotonicMs } from '../../../util/monotonic.js'
import { startTimer, type Timer } from '../../../util/timers.js'
import { type Chain, type ChainState, type Extension, farthestTxid, selectExtension } from './chain.js'

/** `startedAt`: when the poll began, `monotonicMs`. */
export type PollOutcome = { readonly startedAt: number } & (
  | { readonly kind: 'unchanged' }
  /** New files follow on what was known. */
  | { readonly kind: 'advanced'; readonly extension: Extension }
  /** The same TXID, made of other files than before. */
  | { readonly kind: 'moved'; readonly state: ChainState }
  /** There was no way on from what was known (a gap), or the replica was begun anew (a reset): this is its state now. */
  | {
      readonly kind: 'rebuilt'
      readonly state: ChainState
      /** `replaced`: no file of it was known before, but it is no younger than what was known. */
      readonly reason: 'gap' | 'reset' | 'replaced' | 'page-size'
      readonly message: string
    }
  /** There is more, but no way to it. */
  | { readonly kind: 'gap'; readonly message: string }
  | { readonly kind: 'failed'; readonly error: LitestreamError }
)

/** Polls that find nothing new before the next comes later, and how much later. */
const IDLE_POLLS = 10
const IDLE_GROWTH = 1.5
/** Longest pause between polls while a damaged file is in the way; a repaired or newer file is then seen that late. */
const DAMAGE_INTERVAL_MS = 10_000
/** With a watch, polling only makes up for a lost notification. */
const WATCHED_INTERVAL_MS = 5000
/**
 * A state that ends in a compacted file has no raw file to look for: the compacted levels are looked at, too, once that was so long
 * ago. Raw files live longer than this (five minutes, unless told otherwise), so that none can come and go between two looks.
 */
export const LOOK_INTERVAL_MS = 25_000

/** Polls in a row that commits of this process may make void. */
const DISTURBED_POLLS = 3

/** Looks in a row that must find a replica gone back, none of whose files is younger, before that is believed. */
const GONE_BACK_LOOKS = 3

export interface PollerOptions {
  readonly chain: Chain
  readonly client: ReplicaClient
  /** Milliseconds. */
  readonly interval: number
  /** Milliseconds that it grows to while nothing new comes. */
  readonly idleInterval: number
  /** Milliseconds after which the compacted levels are looked at again, where the newest known file is one of them. */
  readonly lookInterval?: number
  readonly signal: AbortSignal
  /** New files up to this size are read whole, with the pages that changed. Bytes. */
  readonly wholeFiles?: () => number
  readonly state: () => ChainState
  readonly onOutcome: (outcome: PollOutcome) => void
}

/**
 * Looks for what is new: one LIST of level 0 from the newest known file on. That this file is listed too shows that the replica is
 * still the one we know, and that no raw file after it is gone; where it is not, every level is looked at.
 */
export class Poller {
  readonly #options: PollerOptions
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #watched = false
  /** When all levels were last seen to have nothing newer. */
  #lookedAt = monotonicMs()
  /** When somebody last wanted to know for certain: a look that began before that does not do. */
  #askedAt = Number.NEGATIVE_INFINITY
  /** Why the state must be made again, of other files. */
  #reloadFor: LitestreamError | undefined
  /** Looks in a row at all levels that found the replica gone back. */
  #goneBack = 0
  /** Polls in a row that found nothing new. */
  #idle = 0
  /** Before the next poll while a damaged file is in the way: each such poll reads many files in vain. */
  readonly #damagePauses: Doubling
  #damagePause = 0

  constructor(options: PollerOptions) {
    this.#options = options
    this.#damagePauses = new Doubling(options.interval, Math.max(options.interval, DAMAGE_INTERVAL_MS))
    onAbort(options.signal, () => this.#timer?.stop())
  }

  start(): void {
    const { client, signal } = this.#options
    if (client.watch) {
      client
        .watch(() => void this.pollNow(), { signal })
        .then(
          () => {
            this.#watched = true
            // What was written between the first view and the watch was told to nobody.
            void this.pollNow()
          },
          () => undefined, // without a watch, polling does it
        )
    }
    this.#schedule()
  }

  /** Resolves when no poll is under way any more. */
  async stopped(): Promise<void> {
    while (this.#running !== undefined) await (this.#next ?? this.#running)
  }

  /**
   * Resolves after a poll that begins now or, if one is under way, right after that. All who ask meanwhile share it: whoever waits
   * waits for two polls at the most, however many go on asking.
   */
  pollNow(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined) return this.#start()
    this.#next = this.#running.then(() => this.#start())
    return this.#next
  }

  /** Like `pollNow`, and finds all that was written before the call, whatever became of the raw files. */
  pollForCertain(): Promise<void> {
    this.#askedAt = monotonicMs()
    return this.pollNow()
  }

  /** The state is made of a file whose page index turned out to be wrong: the next poll makes it again. */
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

  #schedule(): void {
    if (this.#options.signal.aborted) return
    this.#timer?.stop()
    const interval = this.#watched
      ? Math.max(this.#options.interval, WATCHED_INTERVAL_MS)
      : Math.max(this.#damagePause, pollInterval(this.#options, this.#idle))
    // Jitter, downwards: many readers that began at once do not stay in step, and none waits longer than it was told to.
    this.#timer = startTimer(interval * (0.9 + Math.random() * 0.1), () => this.pollNow())
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
   * An outcome belongs to the state that it was based on. Where this process committed meanwhile, the poll is repeated; a commit shows
   * that nothing newer was in the store, so after some repetitions nothing else has to be said.
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
      // Without a damaged file there is no way on in this level.
      const plan = async (without: ReadonlySet<string>) => (without.size === 0 ? next : [])
      const extension = await chain.extend(state, plan, this.#options.wholeFiles?.())
      // A listing of another level says nothing of these files, unless what is known stands when they have been read.
      if (anchor.level !== 0 && !(await chain.stands(anchor, state.timestamp))) return this.#survey(state)
      return { kind: 'advanced', extension }
    } catch (error) {
      // Retention took a file between the listing and the reading, a file is damaged, or the page size changed: look at everything.
      if (isLitestreamError(error, 'NOT_FOUND', 'LTX_CORRUPT', 'PAGE_SIZE_MISMATCH')) return this.#survey(state)
      throw error
    }
  }

  /** The replica had no files: another writer may have made the first. */
  async #awaitFirst(): Promise<WithoutStart<PollOutcome>> {
    try {
      const state = await this.#options.chain.load()
      return { kind: 'rebuilt', state, reason: 'replaced', message: 'another writer created the replica' }
    } catch (error) {
      if (isLitestreamError(error, 'REPLICA_EMPTY')) return { kind: 'unchanged' }
      throw error
    }
  }

  /** A file that this process wrote is known by its name and size; its time and version come with the first listing. */
  #isAnchor(file: LtxFileInfo, anchor: LtxFileInfo): boolean {
    if (sameFile(file, anchor)) return true
    return this.#options.chain.written.has(anchor) && sameName(file, anchor) && isSameFile(file, anchor)
  }

  /**
   * Whether the compacted file that the state ends in is there and none leads farther. Raw files alone do not tell: those of a time in
   * which nobody looked may have been compacted and removed, and a replica that was begun anew may have none beyond it.
   */
  async #isNewest(state: ChainState): Promise<boolean> {
    const lookedAt = monotonicMs()
    const due = this.#lookedAt + (this.#options.lookInterval ?? LOOK_INTERVAL_MS)
    if (lookedAt < due && this.#askedAt < this.#lookedAt) return true
    const files = await this.#options.chain.listCompacted(state.anchor.minTxid)
    const newest =
      files.some((file) => sameFile(file, state.anchor)) && files.every((file) => file.maxTxid <= state.txid)
    if (newest) this.#lookedAt = lookedAt
    return newest
  }

  /**
   * Whether the newest file that ends at or before the known state was written no later than that, by the time in its header: in a
   * replica that was begun anew every file is younger. Tells a replica whose known files were all replaced meanwhile.
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

  /** Every level is listed: what is the replica now, and is it the one we know? Where that ends in doubt, the next poll looks again. */
  async #survey(state: ChainState): Promise<WithoutStart<PollOutcome>> {
    const lookedAt = monotonicMs()
    this.#lookedAt = Number.NEGATIVE_INFINITY
    const outcome = await this.#lookAtAll(state)
    if (outcome.kind !== 'gap') this.#lookedAt = lookedAt
    return outcome
  }

  async #lookAtAll(state: ChainState, again = false): Promise<WithoutStart<PollOutcome>> {
    const { chain } = this.#options
    const files = await chain.listAll()
    const farthest = farthestTxid(files)
    // A listing may lag behind the store. That the replica was begun anew is believed only when our newest file is really gone.
    const { anchor } = state
    const listed = files[anchor.level].some((file) => sameName(file, anchor))
    if (!listed && (farthest <= state.txid || !knownFile(files, state, chain)) && (await chain.stands(anchor))) {
      throw new LitestreamError('UNAVAILABLE', `the store's listing omits ${fileLabel(chain, anchor)}, which exists`, {
        file: fileLabel(chain, anchor),
        hint: 'Wait: the next poll lists the replica again.',
      })
    }
    if (farthest === 0) return { kind: 'gap', message: 'the replica no longer has any files' }
    this.#goneBack = farthest < state.txid ? this.#goneBack + 1 : 0
    if (farthest < state.txid) {
      const message = `the replica went back from TXID ${formatTxid(state.txid)} to ${formatTxid(farthest)}`
      // Files that were all there before: a listing may not show yet what our newest file, which is gone, was compacted to.
      if (this.#goneBack < GONE_BACK_LOOKS && (await this.#isOlder(files, state))) {
        throw new LitestreamError('UNAVAILABLE', message, {
          hint: 'Wait: the next poll finds out whether the replica was reset.',
        })
      }
      const loaded = await this.#load(farthest)
      return { kind: 'rebuilt', state: loaded, reason: 'reset', message: `${message}: it was reset` }
    }
    // A file that was known before and still stands shows that this is the same history.
    const proof = knownFile(files, state, chain)
    if (!proof) {
      const older = await this.#isOlder(files, state)
      const loaded = await this.#load(farthest)
      const reset = loaded.timestamp !== state.timestamp || loaded.txid !== state.txid
      const message = 'none of the files that were known before exists any more: the replica was reset'
      if (!reset) return { kind: 'moved', state: loaded }
      return { kind: 'rebuilt', state: loaded, reason: older ? 'replaced' : 'reset', message }
    }
    try {
      const planOn = async (without: ReadonlySet<string>) => selectExtension(withoutFiles(files, without), state.txid)
      const plan = await planOn(new Set())
      if (plan.length === 0 && farthest > state.txid) {
        // Levels are not listed in one instant: the snapshot may be of a file that was written after its level was listed.
        if (!again) return await this.#lookAtAll(state, true)
        const newest = formatTxid(farthest)
        throw new LitestreamError('LTX_GAP', `only a snapshot continues from ${formatTxid(state.txid)} to ${newest}`)
      }
      const outcome: WithoutStart<PollOutcome> =
        plan.length === 0
          ? { kind: 'moved', state: await this.#elsewhere(state, files) }
          : { kind: 'advanced', extension: await chain.extend(state, planOn) }
      // Levels are not listed in one instant: files of a replica that was begun anew meanwhile may be among those that were read. It
      // was emptied first, so they are not if what is known still stands now.
      if (await chain.stands(proof)) return outcome
      throw new LitestreamError(
        'UNAVAILABLE',
        `${fileLabel(chain, proof)} was deleted while the files after it were read`,
        {
          file: fileLabel(chain, proof),
          hint: 'Wait: the next poll lists the replica again.',
        },
      )
    } catch (error) {
      if (!isLitestreamError(error, 'LTX_GAP', 'LTX_CORRUPT', 'NOT_FOUND', 'PAGE_SIZE_MISMATCH')) throw error
      // No way on from here; a newer snapshot may start a new way.
      const loaded = await chain.load()
      if (loaded.txid <= state.txid) throw error
      const reason = loaded.pageSize === state.pageSize ? 'gap' : 'page-size'
      return { kind: 'rebuilt', state: loaded, reason, message: error.message }
    }
  }

  /** Another state that leads as far as this one. Throws the cause if there is none. */
  async #reload(state: ChainState, cause: LitestreamError): Promise<WithoutStart<PollOutcome>> {
    const loaded = await this.#options.chain.load().catch((error: unknown) => {
      throw isLitestreamError(error, 'LTX_GAP', 'TXID_NOT_AVAILABLE', 'REPLICA_EMPTY') ? cause : error
    })
    if (loaded.txid < state.txid) throw cause
    this.#reloadFor = undefined
    return { kind: 'rebuilt', state: loaded, reason: 'replaced', message: cause.message }
  }

  /** The newest state, which a listing has just led to: another that shows less lags behind. */
  async #load(farthest: number): Promise<ChainState> {
    const loaded = await this.#options.chain.load()
    if (loaded.txid >= farthest) return loaded
    throw new LitestreamError(
      'UNAVAILABLE',
      `one listing reached TXID ${formatTxid(farthest)}, but the next one does not`,
      {
        hint: 'Wait: the next poll lists the replica again.',
      },
    )
  }

  /**
   * The same state from the files that are listed now. Exactly the same: views stand for a TXID and take their pages from here, so
   * what was written since the listing must not be in it.
   */
  async #elsewhere(state: ChainState, files: FilesByLevel): Promise<ChainState> {
    const moved = await this.#options.chain.loadListed(files, { txid: state.txid })
    if (!moved) selectPlan(files) // throws the gap, if that is why
    const is = (key: 'timestamp' | 'pageSize' | 'commit') => moved?.[key] === state[key]
    if (moved && is('timestamp') && is('pageSize') && is('commit')) return moved
    throw new LitestreamError('UNAVAILABLE', `no set of the listed files reaches TXID ${formatTxid(state.txid)}`, {
      hint: 'Wait: the next poll lists the replica again.',
    })
  }
}

/** Milliseconds to the next poll, jitter left out, after so many in a row that found nothing new. */
export function pollInterval(
  { interval, idleInterval }: Pick<PollerOptions, 'interval' | 'idleInterval'>,
  idle: number,
): number {
  return Math.max(interval, Math.min(idleInterval, interval * IDLE_GROWTH ** Math.max(0, idle - IDLE_POLLS)))
}

type WithoutStart<T> = T extends unknown ? Omit<T, 'startedAt'> : never

/**
 * The newest listed file that the state is made of: while it stands, the replica is the one we know. Files that are known for another
 * reason prove nothing: a time traveller may have met those of a new replica before a poll has.
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
