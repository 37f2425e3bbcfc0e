import { isLitestreamError, LitestreamError, toLitestreamError } from '../../../errors.js'
import type { FileReader } from '../../../levels/remote-index.js'
import { fileLabel } from '../../../ltx/file-label.js'
import { frameFault } from '../../../ltx/frame-fault.js'
import { native } from '../../../native/addon.js'
import { type ReadAheadKind, readAheadNumber } from '../../../native/read-ahead.js'
import type { LtxFileInfo, ReadResult } from '../../../storage/replica-client.js'
import { TaskQueue } from '../../../util/task-queue.js'
import { pageLabel } from '../chain/chain.js'
import type { FileTable } from '../chain/file-ordinals.js'
import { failRequest } from '../fail-request.js'
import { type FetchRange, MAX_GAP, MAX_RANGE, planFetch, type WantedPage } from './fetch-plan.js'
import { HedgedReads, MAX_HEDGED } from './hedged-reads.js'
import { type PageStore, pageKey } from './page-store.js'
import { setTrigger } from './resident.js'
import { isInterior } from './tree-shape.js'
import type { ReplicaView } from './view-set.js'

interface Waiter {
  readonly request: number
  readonly view: ReplicaView
  readonly pgno: number
}

/** A range that is queued or being fetched. */
interface Job {
  readonly view: ReplicaView
  readonly range: FetchRange
  started: boolean
}

interface Flight {
  readonly waiters: Waiter[]
  /** The kind of prefetch that requested the page, or undefined if a reader requested the page. */
  readonly ahead: ReadAheadKind | undefined
  /** Whether the next read of this page starts more prefetch. */
  trigger: boolean
  job?: Job
}

/** A page to prefetch. */
export interface AheadPage {
  readonly view: ReplicaView
  readonly pgno: number
  readonly trigger: boolean
  readonly kind: ReadAheadKind
}

/**
 * Maximum bytes that are prefetched in the same request as a page with a waiting reader. A larger
 * joint request would delay the reader.
 */
const JOINT_BYTES = 256 * 1024
/** Number of parallel requests into which a large batch of prefetched pages is split. */
const AHEAD_PARTS = 4
const MIN_AHEAD_RANGE = 1024 * 1024

export interface FetchCounts {
  /** Number of ranged reads that were sent to the store for pages. */
  requests: number
  bytes: number
  /**
   * `pagesWanted` counts pages that were fetched because a reader waited for them. `pagesAhead`
   * counts pages that were prefetched.
   */
  pagesWanted: number
  pagesAhead: number
  /** Number of prefetched pages that a reader requested during their fetch. */
  aheadJoined: number
  /**
   * Number of requests that were sent a second time because the first response was slow.
   * `hedgesWon` counts the second requests that responded before the first request.
   */
  hedged: number
  hedgesWon: number
}

/**
 * Called when an interior b-tree page was fetched. `wanted` is true if a reader waited for the
 * interior page.
 */
export type OnInterior = (view: ReplicaView, pgno: number, slot: number, wanted: boolean) => void

/** Called when the prefetched pages with the rows of index entries have arrived. */
export type OnRows = (view: ReplicaView, pgnos: readonly number[]) => void

/**
 * Called when a file of a view is deleted or damaged. The callback points the view at other files,
 * and the fetcher looks up the requested page again.
 */
export type Reresolve = (view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined) => Promise<void>

/**
 * Fetches pages from the store into slots of the cache and answers the readers that wait for these
 * pages. If a second reader requests a page version that is being fetched, the second reader waits
 * for the request of the first reader. Pages with a waiting reader have priority over prefetch.
 */
export class Fetcher {
  readonly #counts = { requests: 0, bytes: 0, pagesWanted: 0, pagesAhead: 0, aheadJoined: 0 }
  readonly #hedged: HedgedReads | undefined
  readonly #replica: number
  readonly #client: FileReader
  readonly #files: () => FileTable
  readonly #signal: AbortSignal
  readonly #reresolve: Reresolve
  readonly #onInterior: OnInterior
  readonly #onRows: OnRows
  readonly #urgent: TaskQueue
  // Prefetch triggered by a read has a smaller connection limit of its own. Prefetch triggered by a
  // read therefore never delays a page with a waiting reader.
  readonly #ahead: TaskQueue
  // Background prefetch gets the fewest connections, so it never delays prefetch triggered by a
  // read.
  readonly #someDay: TaskQueue
  readonly #flights = new Map<number, Flight>()
  /** Reads of page index entries. */
  readonly #placing = new Set<Promise<unknown>>()

  constructor(options: {
    readonly replica: number
    readonly client: FileReader
    readonly files: () => FileTable
    readonly signal: AbortSignal
    readonly concurrency: number
    /** Whether a slow read is sent a second time. */
    readonly hedge: boolean
    readonly reresolve: Reresolve
    readonly onInterior: OnInterior
    readonly onRows: OnRows
  }) {
    this.#replica = options.replica
    this.#client = options.client
    this.#files = options.files
    this.#signal = options.signal
    this.#reresolve = options.reresolve
    this.#onInterior = options.onInterior
    this.#onRows = options.onRows
    this.#hedged = options.hedge ? new HedgedReads() : undefined
    this.#ahead = new TaskQueue(Math.max(1, Math.floor(options.concurrency / 2)))
    const someDay = Math.max(1, Math.floor(options.concurrency / 4))
    this.#someDay = new TaskQueue(someDay)
    // While a reader waits, background prefetch is limited to one request at a time.
    this.#urgent = new TaskQueue(options.concurrency, {
      onStart: () => {
        this.#someDay.concurrency = 1
      },
      onIdle: () => {
        this.#someDay.concurrency = someDay
      },
    })
  }

  get counts(): FetchCounts {
    return { ...this.#counts, ...(this.#hedged?.counts ?? { hedged: 0, hedgesWon: 0 }) }
  }

  /** Number of pages being fetched. */
  get underWay(): number {
    return this.#flights.size
  }

  /** Answers page requests that arrived together, and prefetches the pages in `ahead`. */
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
    // A trigger is set only if at least one page of the window is not resident. If every page of a
    // window is resident, the reader continues without the worker. A later miss starts the prefetch
    // again. A scan of resident pages therefore sends no requests to the worker.
    if (soon.size > 0) for (const { view, pgno, trigger } of ahead) if (trigger) setTrigger(view, pgno)
    for (const [view, pages] of wanted) {
      this.#whenPlaced(view, pages, (placed) => this.#startWanted(view, placed, soon.get(view) ?? []))
    }
    for (const [view, pages] of soon) if (!wanted.has(view)) this.#startAhead(view, pages)
  }

  /**
   * Starts the requests for pages with a waiting reader. If `more` is small, the same requests also
   * fetch the pages in `more` whose positions are known.
   */
  #startWanted(view: ReplicaView, pages: readonly WantedPage[], more: readonly WantedPage[]): void {
    const near: WantedPage[] = []
    const far: WantedPage[] = []
    for (const page of more.map((each) => placedNow(view, each))) (page.size > 0 ? near : far).push(page)
    const joint = near.reduce((bytes, page) => bytes + page.size, 0) <= JOINT_BYTES
    void this.#start(this.#urgent, view, planFetch(joint ? [...pages, ...near] : pages))
    this.#startAhead(view, joint ? far : [...near, ...far])
  }

  #startAhead(view: ReplicaView, pages: readonly WantedPage[]): void {
    if (pages.length === 0) return
    this.#whenPlaced(view, pages, (placed) => {
      const bytes = placed.reduce((sum, page) => sum + page.size, 0)
      const ranges = planFetch(placed, MAX_GAP, clamp(bytes / AHEAD_PARTS, MIN_AHEAD_RANGE, MAX_RANGE))
      void this.#start(this.#ahead, view, ranges)
    })
  }

  #hasWaiter({ file, pgno }: WantedPage): boolean {
    return (this.#flights.get(pageKey(file, pgno))?.waiters.length ?? 0) > 0
  }

  /** Calls `start` with the positions of the pages, immediately if all positions are in memory. */
  #whenPlaced(view: ReplicaView, pages: readonly WantedPage[], start: (placed: readonly WantedPage[]) => void): void {
    if (pages.every(({ size }) => size > 0)) start(pages)
    else void this.#placed(view, pages).then(start)
  }

  /**
   * Reads the page index entries of the pages whose positions are not in memory. Returns the pages
   * with their positions. If the page index cannot be read, looks for the pages in other files the
   * first time.
   */
  #placed(view: ReplicaView, pages: readonly WantedPage[], again = false): Promise<WantedPage[]> {
    const unknown = new Map<number, WantedPage[]>()
    for (const page of pages) if (page.size === 0) append(unknown, page.file, page)
    const known = pages.filter(({ size }) => size > 0)
    const placing = Promise.all([...unknown].map(([file, each]) => this.#place(view, file, each, again)))
      .then((placed) => [...known, ...placed.flat()])
      .finally(() => this.#placing.delete(placing))
    this.#placing.add(placing)
    return placing
  }

  async #place(view: ReplicaView, file: number, pages: readonly WantedPage[], again: boolean): Promise<WantedPage[]> {
    const index = this.#files().pagedIndex(file)
    const info = this.#files().get(file)
    try {
      if (!index) throw new LitestreamError('INTERNAL', `${fileLabel(this.#client, info)} has no page index in memory`)
      const positions = await index.positions(pages.map(({ pgno }) => pgno))
      return pages.map((page, i) => ({ ...page, ...positions[i]! }))
    } catch (cause) {
      const error = toLitestreamError(cause)
      const lost = isLitestreamError(error, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT')
      if (lost && !again) await this.#fetchElsewhere(view, pages, error, info)
      else this.#fail(pages, error)
      return []
    }
  }

  /**
   * Prefetches pages with the lowest priority. Resolves when each page is resident or could not be
   * fetched.
   */
  async bring(view: ReplicaView, pgnos: Iterable<number>, kind: ReadAheadKind): Promise<void> {
    const pages: WantedPage[] = []
    for (const pgno of pgnos) {
      const page = this.#expect({ view, pgno, trigger: false, kind })
      if (page) pages.push(page)
    }
    const unknown = pages.some(({ size }) => size === 0)
    await this.#start(this.#someDay, view, planFetch(unknown ? await this.#placed(view, pages) : pages))
  }

  /**
   * Answers a waiting reader if the page is resident. If the page is being fetched, adds the reader
   * to the running fetch. If the page is neither resident nor being fetched, `#await` returns the
   * page to fetch.
   */
  #await(waiter: Waiter): WantedPage | undefined {
    const place = waiter.view.state.map.find(waiter.pgno)
    if (place.file === 0) {
      failRequest(waiter.request, missing(waiter.view, waiter.pgno))
      return undefined
    }
    const key = pageKey(place.file, waiter.pgno)
    const flight = this.#flights.get(key)
    if (flight) {
      if (flight.ahead && flight.waiters.length === 0) this.#counts.aheadJoined++
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
    this.#counts.pagesWanted++
    this.#flights.set(key, { waiters: [waiter], ahead: undefined, trigger: false })
    return { pgno: waiter.pgno, ...place }
  }

  /**
   * Returns the page to prefetch. Returns undefined if the page is resident or is being fetched.
   */
  #expect({ view, pgno, trigger, kind }: AheadPage): WantedPage | undefined {
    const place = view.state.map.find(pgno)
    if (place.file === 0) return undefined
    const key = pageKey(place.file, pgno)
    const flight = this.#flights.get(key)
    if (flight) {
      flight.trigger ||= trigger
      return undefined
    }
    if (view.store.slotOf(key) !== undefined) return undefined
    this.#counts.pagesAhead++
    this.#flights.set(key, { waiters: [], ahead: kind, trigger })
    return { pgno, ...place }
  }

  /** Starts the requests for `ranges`. Resolves when the ranges were fetched or have failed. */
  async #start(queue: TaskQueue, view: ReplicaView, ranges: readonly FetchRange[]): Promise<void> {
    const jobs = ranges.map((range) => {
      const job: Job = { view, range, started: false }
      for (const page of range.pages) {
        const flight = this.#flights.get(pageKey(page.file, page.pgno))
        if (flight) flight.job = job
      }
      // A reader may have requested one of the pages while its page index entry was read.
      const isWanted = range.pages.some((page) => this.#hasWaiter(page))
      return (isWanted ? this.#urgent : queue).add(() => this.#run(job))
    })
    await Promise.all(jobs)
  }

  /** Stores pages of a file that was read whole for another reason. These pages cost no request. */
  store(
    view: ReplicaView,
    bytes: Uint8Array,
    base: number,
    pages: readonly WantedPage[],
    kind?: ReadAheadKind | undefined,
  ): void {
    this.#fill(view, bytes, base, pages, kind)
  }

  /** Adds the ordinals of the files that are being read to `into`. */
  collectFiles(into: Set<number>): void {
    for (const key of this.#flights.keys()) into.add(Math.floor(key / 2 ** 32))
  }

  /** Resolves when all current requests have been answered. */
  async idle(): Promise<void> {
    while (this.#placing.size > 0) await Promise.all(this.#placing)
    await Promise.all([this.#urgent, this.#ahead, this.#someDay].map((queue) => queue.onIdle()))
  }

  async #run(job: Job): Promise<void> {
    if (job.started) return
    job.started = true
    await this.#fetch(job.view, job.range, 1)
  }

  async #fetch(view: ReplicaView, range: FetchRange, attempt: number): Promise<void> {
    const file = this.#files().get(range.file)
    try {
      const result = await this.#read(file, range, attempt > 1)
      this.#counts.requests++
      this.#counts.bytes += result.data.byteLength
      const damaged = this.#fill(view, result.data, range.offset, range.pages)
      if (damaged === undefined) return
      const at = damaged.offset - range.offset
      throw frameFault(result.data.subarray(at, at + damaged.size), damaged, fileLabel(this.#client, file))
    } catch (cause) {
      const error = toLitestreamError(cause)
      const left = range.pages.filter((page) => this.#flights.has(pageKey(page.file, page.pgno)))
      // After a damaged response, the worker sends the request once more. If the file was deleted,
      // or is damaged in the store, the worker looks for the pages of the file in other files.
      if (isLitestreamError(error, 'LTX_CORRUPT') && attempt === 1) {
        return this.#fetch(view, { ...range, pages: left }, 2)
      }
      if (isLitestreamError(error, 'NOT_FOUND', 'LTX_CORRUPT', 'INVALID_ARGUMENT') && attempt <= 2) {
        return this.#fetchElsewhere(view, left, error, file)
      }
      this.#fail(left, error)
    }
  }

  #read(file: LtxFileInfo, { offset, length, pages }: FetchRange, fresh: boolean): Promise<ReadResult> {
    const send = () => this.#client.read(file, { offset, length }, { signal: this.#signal, fresh })
    if (!this.#hedged || length > MAX_HEDGED) return send()
    return this.#hedged.read(send, () => pages.some((page) => this.#hasWaiter(page)))
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
        for (const waiter of flight.waiters) failRequest(waiter.request, error)
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
    const placed = moved.some(({ size }) => size === 0) ? await this.#placed(view, moved, true) : moved
    await Promise.all(planFetch(placed).map((range) => this.#fetch(view, range, 3)))
  }

  /**
   * Stores pages and answers their readers. Returns the first damaged page, or undefined. The
   * readers of all pages before the damaged page get their pages.
   */
  #fill(
    view: ReplicaView,
    bytes: Uint8Array,
    base: number,
    pages: readonly WantedPage[],
    kind?: ReadAheadKind | undefined,
  ): WantedPage | undefined {
    const { store } = view
    // A range that is larger than the cache is stored in parts, so that no page is evicted before
    // its readers have it.
    const turn = Math.max(1, Math.floor(store.slots / 4))
    for (let first = 0; first < pages.length; first += turn) {
      const part = pages.slice(first, first + turn)
      const { frameFields } = native.constants
      const frames = new Uint32Array(part.length * frameFields)
      const slots = store.allocate(part.map((page) => pageKey(page.file, page.pgno)))
      part.forEach((page, i) => {
        const flight = this.#flights.get(pageKey(page.file, page.pgno))
        const ahead = flight ? flight.ahead : kind
        const joined = flight !== undefined && flight.waiters.length > 0
        const number = ahead ? readAheadNumber(ahead) + (joined ? native.constants.joined : 0) : 0
        frames.set([page.offset - base, page.size, page.pgno, slots[i], number], i * frameFields)
      })
      const good = native.fillSlots(this.#replica, view.id, store.cache, bytes, frames)
      // Triggers are set before readers are answered. If triggers were set later, a reader could
      // read the resident pages before this loop has set the triggers.
      part.forEach((page, i) => {
        const key = pageKey(page.file, page.pgno)
        if (i >= good) store.drop(key)
        else if (this.#flights.get(key)?.trigger) native.setTrigger(store.cache, slots[i])
      })
      const rows: number[] = []
      part.slice(0, good).forEach((page, i) => {
        const key = pageKey(page.file, page.pgno)
        const slot = slots[i]
        const { waiters = [], ahead } = this.#flights.get(key) ?? {}
        this.#flights.delete(key)
        if (ahead === 'rows') rows.push(page.pgno)
        for (const waiter of waiters) this.#answer(waiter, store, slot)
        if (!isInterior(frames[i * frameFields])) return
        store.keepLonger(key)
        this.#onInterior(view, page.pgno, slot, waiters.length > 0)
      })
      if (rows.length > 0) this.#onRows(view, rows)
      if (good < part.length) return part[good]
    }
    return undefined
  }

  #answer(waiter: Waiter, store: PageStore, slot: number): void {
    native.answerPage(waiter.request, this.#replica, waiter.view.id, waiter.pgno, store.cache, slot)
  }

  #fail(pages: readonly WantedPage[], error: LitestreamError): void {
    for (const page of pages) {
      const key = pageKey(page.file, page.pgno)
      const flight = this.#flights.get(key)
      this.#flights.delete(key)
      for (const waiter of flight?.waiters ?? []) failRequest(waiter.request, error)
    }
  }
}

/** Returns the page with its position, if the page index entry was read in the meantime. */
function placedNow(view: ReplicaView, page: WantedPage): WantedPage {
  if (page.size > 0) return page
  const place = view.state.map.find(page.pgno)
  return place.file === page.file ? { pgno: page.pgno, ...place } : page
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
    `no file of the replica contains ${pageLabel(pgno, view.state.txid)} any longer`,
    {
      pgno,
      hint: 'End the transaction; the next transaction reads a newer TXID.',
    },
  )
}
