import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../errors.js'
import { native } from '../../native.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { pageLabel } from '../chain/chain.js'
import { type FileTable, fileLabel, replaced } from '../chain/file-table.js'
import { isInterior } from '../read-ahead/tree-shape.js'
import { type FetchRange, MAX_GAP, MAX_RANGE, planFetch, type WantedPage } from './fetch-plan.js'
import { type PageStore, pageKey } from './page-store.js'
import type { ReplicaView } from './view-set.js'

interface Waiter {
  readonly request: number
  readonly view: ReplicaView
  readonly pgno: number
}

/** A range that waits for its turn or is under way. */
interface Job {
  readonly view: ReplicaView
  readonly range: FetchRange
  started: boolean
}

interface Flight {
  readonly waiters: Waiter[]
  readonly ahead: boolean
  /** Whether the next read of the page tells the prefetcher to go on. */
  trigger: boolean
  job?: Job
}

/** A page worth having soon. */
export interface AheadPage {
  readonly view: ReplicaView
  readonly pgno: number
  readonly trigger: boolean
}

/** Bytes fetched ahead in the same request as a page someone waits for; more than that would keep it waiting. */
const JOINT_BYTES = 256 * 1024
/** Requests that one batch of pages fetched ahead is split into, if it is large: they come in parallel. */
const AHEAD_PARTS = 4
const MIN_AHEAD_RANGE = 1024 * 1024

export interface FetchCounts {
  /** Ranged reads sent to the store for pages. */
  requests: number
  bytes: number
  /** Pages fetched because a reader waited for them, and those fetched ahead. */
  pagesWanted: number
  pagesAhead: number
  /** Pages fetched ahead that a reader then asked for while they were under way. */
  aheadJoined: number
}

/** An interior b-tree page came in; `wanted`: someone waited for it. */
export type OnInterior = (view: ReplicaView, pgno: number, slot: number, wanted: boolean) => void

/** What to do when a file of a view is gone or damaged: point the view at other files, then the page is looked up again. */
export type Reresolve = (view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined) => Promise<void>

/**
 * Brings pages from the store into slots and answers those who wait for them. One flight a page version: a second reader joins the
 * first one's request. What someone waits for goes before what is fetched ahead.
 */
export class Fetcher {
  readonly counts: FetchCounts = { requests: 0, bytes: 0, pagesWanted: 0, pagesAhead: 0, aheadJoined: 0 }
  readonly #replica: number
  readonly #client: ReplicaClient
  readonly #files: () => FileTable
  readonly #signal: AbortSignal
  readonly #reresolve: Reresolve
  readonly #onInterior: OnInterior
  readonly #urgent: PQueue
  // What nobody waits for yet has places of its own, fewer, so that it never holds up what someone waits for.
  readonly #ahead: PQueue
  readonly #flights = new Map<number, Flight>()

  constructor(options: {
    readonly replica: number
    readonly client: ReplicaClient
    readonly files: () => FileTable
    readonly signal: AbortSignal
    readonly concurrency: number
    readonly reresolve: Reresolve
    readonly onInterior: OnInterior
  }) {
    this.#replica = options.replica
    this.#client = options.client
    this.#files = options.files
    this.#signal = options.signal
    this.#reresolve = options.reresolve
    this.#onInterior = options.onInterior
    this.#urgent = new PQueue({ concurrency: options.concurrency })
    this.#ahead = new PQueue({ concurrency: Math.max(1, Math.floor(options.concurrency / 2)) })
  }

  /** Answers page requests of one moment, and fetches what is worth having soon. */
  ask(waiters: readonly Waiter[], ahead: readonly AheadPage[] = []): void {
    const wanted = new Map<ReplicaView, WantedPage[]>()
    for (const waiter of waiters) {
      const page = this.#await(waiter)
      if (page) append(wanted, waiter.view, page)
    }
    const soon = new Map<ReplicaView, WantedPage[]>()
    for (const each of ahead) {
      const page = this.#expect(each)
      if (page) append(soon, each.view, page)
    }
    for (const [view, pages] of wanted) {
      const more = soon.get(view) ?? []
      const joint = more.reduce((bytes, page) => bytes + page.size, 0) <= JOINT_BYTES
      this.#start(this.#urgent, view, planFetch(joint ? [...pages, ...more] : pages))
      if (joint) soon.delete(view)
    }
    for (const [view, pages] of soon) {
      const bytes = pages.reduce((sum, page) => sum + page.size, 0)
      this.#start(this.#ahead, view, planFetch(pages, MAX_GAP, clamp(bytes / AHEAD_PARTS, MIN_AHEAD_RANGE, MAX_RANGE)))
    }
  }

  /** Answers a waiter from a slot or a flight, or says what to fetch for it. */
  #await(waiter: Waiter): WantedPage | undefined {
    const place = waiter.view.state.map.find(waiter.pgno)
    if (place.file === 0) {
      const { code, message } = missing(waiter.view, waiter.pgno)
      native.failRequest(waiter.request, code, message)
      return undefined
    }
    const key = pageKey(place.file, waiter.pgno)
    const flight = this.#flights.get(key)
    if (flight) {
      if (flight.ahead && flight.waiters.length === 0) this.counts.aheadJoined++
      flight.waiters.push(waiter)
      const { job } = flight
      if (job && !job.started) void this.#urgent.add(() => this.#run(job))
      return undefined
    }
    const slot = waiter.view.store.slotOf(key)
    if (slot !== undefined) {
      this.#answer(waiter, waiter.view.store, slot)
      return undefined
    }
    this.counts.pagesWanted++
    this.#flights.set(key, { waiters: [waiter], ahead: false, trigger: false })
    return { pgno: waiter.pgno, ...place }
  }

  /** Says what to fetch for a page that nobody waits for yet, unless it is here or under way. */
  #expect({ view, pgno, trigger }: AheadPage): WantedPage | undefined {
    const place = view.state.map.find(pgno)
    if (place.file === 0) return undefined
    const key = pageKey(place.file, pgno)
    const flight = this.#flights.get(key)
    if (flight) {
      flight.trigger ||= trigger
      return undefined
    }
    const slot = view.store.slotOf(key)
    if (slot !== undefined) {
      if (trigger) native.setTrigger(view.store.cache, slot)
      return undefined
    }
    this.counts.pagesAhead++
    this.#flights.set(key, { waiters: [], ahead: true, trigger })
    return { pgno, ...place }
  }

  #start(queue: PQueue, view: ReplicaView, ranges: readonly FetchRange[]): void {
    for (const range of ranges) {
      const job: Job = { view, range, started: false }
      for (const page of range.pages) {
        const flight = this.#flights.get(pageKey(page.file, page.pgno))
        if (flight) flight.job = job
      }
      void queue.add(() => this.#run(job))
    }
  }

  /** Pages of a file that was read whole anyway go into slots for nothing. */
  store(view: ReplicaView, bytes: Uint8Array, base: number, pages: readonly WantedPage[]): void {
    this.#fill(view, bytes, base, pages)
  }

  /** Adds the ordinals of the files that are being read. */
  collectFiles(into: Set<number>): void {
    for (const key of this.#flights.keys()) into.add(Math.floor(key / 2 ** 32))
  }

  /** Resolves when everything asked for so far has been answered. */
  async idle(): Promise<void> {
    await Promise.all([this.#urgent.onIdle(), this.#ahead.onIdle()])
  }

  async #run(job: Job): Promise<void> {
    if (job.started) return
    job.started = true
    await this.#fetch(job.view, job.range, 1)
  }

  async #fetch(view: ReplicaView, range: FetchRange, attempt: number): Promise<void> {
    const file = this.#files().get(range.file)
    try {
      const result = await this.#client.read(
        file,
        { offset: range.offset, length: range.length },
        { signal: this.#signal, fresh: attempt > 1 },
      )
      this.counts.requests++
      this.counts.bytes += result.data.byteLength
      if (result.fileSize !== file.size) throw replaced(file, result.fileSize)
      const damaged = this.#fill(view, result.data, range.offset, range.pages)
      if (damaged === undefined) return
      throw new LitestreamError('LTX_CORRUPT', `${fileLabel(file)}: the frame at offset ${damaged.offset} is damaged`, {
        file: fileLabel(file),
        offset: damaged.offset,
        pgno: damaged.pgno,
        hint: 'Run `litestream-ts verify` on the replica; a new snapshot repairs it.',
      })
    } catch (cause) {
      const error = toLitestreamError(cause)
      const left = range.pages.filter((page) => this.#flights.has(pageKey(page.file, page.pgno)))
      // A damaged reply is asked for once more; a file that is gone, or damaged in the store, may have been replaced by another.
      if (isLitestreamError(error, 'LTX_CORRUPT') && attempt === 1) {
        return this.#fetch(view, { ...range, pages: left }, 2)
      }
      if (isLitestreamError(error, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT') && attempt <= 2) {
        return this.#fetchElsewhere(view, left, error, file)
      }
      this.#fail(left, error)
    }
  }

  async #fetchElsewhere(
    view: ReplicaView,
    pages: readonly WantedPage[],
    cause: LitestreamError,
    lost: LtxFileInfo,
  ): Promise<void> {
    try {
      await this.#reresolve(view, cause, lost)
    } catch (error) {
      return this.#fail(pages, toLitestreamError(error))
    }
    const moved: WantedPage[] = []
    for (const page of pages) {
      const flight = this.#flights.get(pageKey(page.file, page.pgno))
      if (!flight) continue
      this.#flights.delete(pageKey(page.file, page.pgno))
      const place = view.state.map.find(page.pgno)
      if (place.file === 0 || place.file === page.file) {
        const error = place.file === 0 ? missing(view, page.pgno) : cause
        for (const waiter of flight.waiters) native.failRequest(waiter.request, error.code, error.message)
        continue
      }
      const key = pageKey(place.file, page.pgno)
      const other = this.#flights.get(key)
      if (other) other.waiters.push(...flight.waiters)
      else {
        this.#flights.set(key, flight)
        moved.push({ pgno: page.pgno, ...place })
      }
    }
    await Promise.all(planFetch(moved).map((range) => this.#fetch(view, range, 3)))
  }

  /** Returns the first damaged page, if there is one; all before it are answered. */
  #fill(view: ReplicaView, bytes: Uint8Array, base: number, pages: readonly WantedPage[]): WantedPage | undefined {
    const { store } = view
    // A cache smaller than the range is filled in turns, so that no page is dropped before its readers have it.
    const turn = Math.max(1, Math.floor(store.slots / 4))
    for (let first = 0; first < pages.length; first += turn) {
      const part = pages.slice(first, first + turn)
      const frames = new Uint32Array(part.length * 4)
      const slots = store.allocate(part.map((page) => pageKey(page.file, page.pgno)))
      part.forEach((page, i) => {
        frames.set([page.offset - base, page.size, page.pgno, slots[i]], i * 4)
      })
      const good = native.fillSlots(this.#replica, view.id, store.cache, bytes, frames)
      // Marks come before answers: a reader that is let go runs through the resident pages faster than this loop.
      part.forEach((page, i) => {
        const key = pageKey(page.file, page.pgno)
        if (i >= good) store.drop(key)
        else if (this.#flights.get(key)?.trigger) native.setTrigger(store.cache, frames[i * 4 + 3])
      })
      part.slice(0, good).forEach((page, i) => {
        const key = pageKey(page.file, page.pgno)
        const slot = frames[i * 4 + 3]
        const waiters = this.#flights.get(key)?.waiters ?? []
        this.#flights.delete(key)
        for (const waiter of waiters) this.#answer(waiter, store, slot)
        if (!isInterior(frames[i * 4])) return
        store.keepLonger(key)
        this.#onInterior(view, page.pgno, slot, waiters.length > 0)
      })
      if (good < part.length) return part[good]
    }
    return undefined
  }

  #answer(waiter: Waiter, store: PageStore, slot: number): void {
    native.linkPages(this.#replica, waiter.view.id, store.cache, Uint32Array.of(waiter.pgno, slot))
    native.completePage(waiter.request, store.cache, slot)
  }

  #fail(pages: readonly WantedPage[], error: LitestreamError): void {
    for (const page of pages) {
      const key = pageKey(page.file, page.pgno)
      const flight = this.#flights.get(key)
      this.#flights.delete(key)
      for (const waiter of flight?.waiters ?? []) native.failRequest(waiter.request, error.code, error.message)
    }
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

function missing(view: ReplicaView, pgno: number): LitestreamError {
  return new LitestreamError(
    'PAGE_UNAVAILABLE',
    `${pageLabel(pgno, view.state.txid)} is in no file of the replica any more`,
    {
      pgno,
      hint: 'End the transaction: the next one sees a newer TXID.',
    },
  )
}
