import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import { formatTxid } from '../ltx/txid.js'
import { native } from '../native.js'
import { openReplicaClient } from '../storage/open.js'
import type { LtxFileInfo, ReplicaClient } from '../storage/replica-client.js'
import { Chain, type ChainState, type LoadedState } from './chain/chain.js'
import { type FileIndex, WHOLE_FILE_SIZE } from './chain/file-index.js'
import { fileIdentity } from './chain/file-table.js'
import { Poller, type PollOutcome } from './chain/poller.js'
import { exactState, staleState, unavailable } from './chain/stale-view.js'
import { parseTravelTarget } from './chain/travel-target.js'
import type { Hydrator } from './hydration/hydrator.js'
import type { RecentFiles } from './hydration/recent-files.js'
import { type BridgeRequest, STATE_CLOSED, STATE_FAILED, STATE_LIVE, STATE_STALE } from './native-replica.js'
import type { ResolvedReplicaOptions } from './options.js'
import { type AheadPage, Fetcher } from './pages/fetcher.js'
import { PageStore, pageKey } from './pages/page-store.js'
import { type ReplicaView, ViewSet } from './pages/view-set.js'
import { IndexWalk } from './read-ahead/index-walk.js'
import { InteriorPreload } from './read-ahead/interior-preload.js'
import { type Ahead, Prefetcher } from './read-ahead/prefetcher.js'
import { TreeShape } from './read-ahead/tree-shape.js'

/** What a session tells the handles of its replica. */
export type SessionEvent =
  | { readonly type: 'open' }
  | { readonly type: 'advance'; readonly txid: number; readonly timestamp: number }
  | { readonly type: 'stale'; readonly message: string }
  | { readonly type: 'gap'; readonly message: string }
  | { readonly type: 'reset'; readonly message: string; readonly txid: number }
  | { readonly type: 'hydrated'; readonly path: string }
  | { readonly type: 'closed' }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** How soon a view that was retired while it was read is looked at again. */
const COLLECT_MS = 200
/** Files that may be added to the table before it is swept. */
const RECLAIM_FILES = 512
/** New files up to this size are read whole, as far as that much is in memory; and where there is a local copy. Bytes. */
const WHOLE_CHANGES = 1024 * 1024
const WHOLE_HYDRATED = 8 * 1024 * 1024
/** A file that changed so small a part of the cache goes into it whole. */
const FEW_CHANGES = 256
/** How often the files of a view are looked for while the store changes under the search. */
const REPLICA_ATTEMPTS = 3

/** One replica in the worker: its views, its pages, its poll loop, its hydration. */
export class ReplicaSession {
  readonly id: number
  readonly #options: ResolvedReplicaOptions
  readonly #emit: (event: SessionEvent) => void
  readonly #abort = new AbortController()
  readonly #views: ViewSet
  readonly #tree = new TreeShape()
  readonly #prefetcher: Prefetcher
  readonly #indexWalk = new IndexWalk(this.#tree)
  #client!: ReplicaClient
  #chain!: Chain
  #store!: PageStore
  #fetcher!: Fetcher
  #poller!: Poller
  #hydrator: Hydrator | undefined
  #recent: RecentFiles | undefined
  #opening: Promise<void> | undefined
  #stale = false
  /** Preloads that have not ended. */
  #preloading = 0
  /** Files known at which those that nothing refers to are looked for. */
  #reclaimAt = RECLAIM_FILES
  #staleTimer: NodeJS.Timeout | undefined
  #collecting: NodeJS.Timeout | undefined

  constructor(id: number, options: ResolvedReplicaOptions, emit: (event: SessionEvent) => void) {
    this.id = id
    this.#options = options
    this.#prefetcher = new Prefetcher(this.#tree, options.readAhead)
    this.#emit = emit
    this.#views = new ViewSet(id)
    native.setReadTimeout(id, options.readTimeout)
    if (Number.isFinite(options.maxStale)) native.setMaxStale(id, options.maxStale)
  }

  /** Opens once; later calls wait for the first. Throws what made it fail; the next call then tries again. */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /** Whether requests can be answered at once. */
  get opened(): boolean {
    return this.#views.opened
  }

  /** Whether the local copy has been complete. */
  get hydrated(): boolean {
    return this.#hydrator?.complete ?? false
  }

  async #open(): Promise<void> {
    const { url, cacheSize, concurrency, hydrate } = this.#options
    const signal = this.#abort.signal
    const store = await openReplicaClient(url, { signal })
    this.#client = await this.#throughDiskCache(store)
    this.#chain = new Chain(this.#client, signal)
    const started = Date.now()
    const { state, files } = await this.#firstState(started)
    this.#store = new PageStore(state.pageSize, cacheSize)
    this.#fetcher = new Fetcher({
      replica: this.id,
      client: this.#client,
      files: () => this.#chain.files,
      signal,
      concurrency,
      // A second request for a file on the disk of this machine would wait behind the first.
      hedge: this.#options.hedge && store.type !== 'file',
      reresolve: (view, cause, lost) => this.#reresolve(view, cause, lost),
      onInterior: (view, pgno, slot, wanted) => this.#onInterior(view, pgno, slot, wanted),
    })
    if (hydrate !== undefined) {
      const { Hydrator } = await import('./hydration/hydrator.js')
      const { RecentFiles } = await import('./hydration/recent-files.js')
      this.#recent = new RecentFiles(store) // what goes to the local copy need not go to the disk cache too
      this.#hydrator = await Hydrator.open({
        replica: this.id,
        path: hydrate,
        url: this.#client.url,
        state,
        client: this.#recent,
        files: () => this.#chain.files,
        signal,
        reresolve: (view, cause, lost) => this.#reresolve(view, cause, lost),
        onHydrated: () => this.#emit({ type: 'hydrated', path: hydrate }),
        onError: (error) => this.#emit({ type: 'error', code: error.code, message: error.message }),
      })
    }
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null)
    this.#hydrator?.adopt(view)
    this.#storeRead(view, files)
    this.#views.publish(view)
    native.setContact(this.id, Date.now())
    native.setState(this.id, STATE_LIVE, '', '')
    this.#poller = new Poller({
      chain: this.#chain,
      client: this.#client,
      interval: this.#options.pollInterval,
      wholeFiles: () => this.#wholeFiles(),
      idleInterval: this.#options.idlePollInterval,
      signal,
      state: () => this.#views.current.state,
      onOutcome: (outcome) => this.#onPoll(outcome),
    })
    this.#poller.start()
    this.#hydrator?.start()
    this.#preloadInterior()
    this.#emit({ type: 'open' })
  }

  /** A local copy brings every page soon enough by itself. */
  #preloadInterior(): void {
    if (!this.#options.readAhead.has('interior') || this.#hydrator) return
    this.#preloading++
    const current = () => this.#views.current
    void new InteriorPreload({ tree: this.#tree, fetcher: this.#fetcher, current, signal: this.#abort.signal })
      .run()
      .catch((error: unknown) => {
        const { code, message } = toLitestreamError(error)
        this.#emit({ type: 'error', code, message })
      })
      .finally(() => {
        this.#preloading--
      })
  }

  async #throughDiskCache(store: ReplicaClient): Promise<ReplicaClient> {
    const { diskCache, diskCacheSize } = this.#options
    if (diskCache === undefined) return store
    const { CachedReplicaClient } = await import('../storage/disk-cache/cached-client.js')
    return CachedReplicaClient.open(store, { directory: diskCache, limit: diskCacheSize })
  }

  /** Waits for a replica that has nothing yet, up to the open timeout. */
  async #firstState(started: number): Promise<LoadedState> {
    for (;;) {
      try {
        return await this.#chain.loadFiles()
      } catch (error) {
        if (!isLitestreamError(error, 'REPLICA_EMPTY')) throw error
        const waited = Date.now() - started
        if (waited + this.#options.pollInterval > this.#options.openTimeout) {
          throw new LitestreamError('REPLICA_EMPTY', `${error.message} (waited ${waited} ms)`, {
            hint: 'Start the primary (`litestream-ts replicate DB URL`), or raise open_timeout to wait longer.',
            file: this.#client.url,
            cause: error,
          })
        }
        await pause(Math.min(this.#options.pollInterval, 1000), this.#abort.signal)
      }
    }
  }

  /** Page requests that arrived together. */
  onPages(requests: readonly BridgeRequest[]): void {
    const waiters = []
    const ahead: AheadPage[] = []
    for (const request of requests) {
      const view = this.#views.get(request.view)
      if (!view || view.id === 0) {
        void this.#answerFromElsewhere(request)
        continue
      }
      waiters.push({ request: request.id, view, pgno: request.pgno })
      const { reader, pgno, indexLeaf } = request
      ahead.push(...aheadPages(view, this.#prefetcher.onMiss(reader, view, pgno)))
      if (!this.#options.readAhead.has('rows')) continue
      const pages = this.#indexWalk.onMiss(reader, view, pgno, indexLeaf)
      ahead.push(...aheadPages(view, { kind: 'rows', pages, trigger: 0 }))
    }
    this.#fetcher.ask(waiters, ahead)
  }

  /** A reader has come to a page that was marked to say so. */
  onAhead(request: BridgeRequest): void {
    native.completeRequest(request.id)
    const view = this.#views.get(request.view)
    if (view) this.#fetcher.ask([], aheadPages(view, this.#prefetcher.onTrigger(request.reader, view, request.pgno)))
  }

  #onInterior(view: ReplicaView, pgno: number, slot: number, wanted: boolean): void {
    const children = native.btreeChildren(view.store.cache, slot, pgno, view.state.commit)
    this.#tree.learn(pgno, children)
    if (!wanted || children.length === 0) return
    // Where a scan would begin is here already: reading it says that one does.
    const first = view.store.slotOf(pageKey(view.state.map.fileOf(children[0]), children[0]))
    if (first !== undefined) native.setTrigger(view.store.cache, first)
  }

  /** A view that a worker before this one made, and that a transaction still has: its map is made anew from its TXID. */
  async #answerFromElsewhere(request: BridgeRequest): Promise<void> {
    try {
      const view = this.#views.get(request.view) ?? (await this.#adoptView(request.view))
      this.#fetcher.ask([{ request: request.id, view, pgno: request.pgno }])
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  async #adoptView(id: number): Promise<ReplicaView> {
    const facts = native.viewFacts(this.id, id)
    if (!facts) throw new LitestreamError('PAGE_UNAVAILABLE', 'the view of this transaction is gone')
    const state = await exactState(this.#chain, facts, await this.#chain.listAll())
    if (!state) throw unavailable(facts.txid)
    // The replica may have been begun anew while no worker was there to see it.
    if (state.timestamp !== facts.timestamp) throw begunAnew(facts.txid)
    return this.#views.adopt(id, state, this.#storeFor(state.pageSize))
  }

  #storeFor(pageSize: number): PageStore {
    return pageSize === this.#store.pageSize ? this.#store : new PageStore(pageSize, this.#options.cacheSize)
  }

  async onTravel(request: BridgeRequest): Promise<void> {
    try {
      const target = parseTravelTarget(request.text, Date.now())
      const state = await this.#chain.load(target)
      // Connections that go to the same TXID share its view.
      const there = this.#views.at(state.txid)
      const view = there ?? this.#views.addTravelled(state, this.#storeFor(state.pageSize))
      native.completeTravel(request.id, view.id)
      if (!there) this.#views.retire(view)
      this.#collect()
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  /** Polls at once; resolves with the TXID that is current then. */
  async refresh(): Promise<number> {
    await this.#poller.pollNow()
    return this.#views.current.state.txid
  }

  /** The state that a travel target leads to. */
  async resolveTarget(target: string): Promise<{ txid: number; timestamp: number }> {
    const { txid, timestamp } = await this.#chain.load(parseTravelTarget(target, Date.now()))
    return { txid, timestamp }
  }

  stats(): Record<string, unknown> {
    return {
      fetch: this.#fetcher.counts,
      storage: this.#client.stats(),
      underWay: this.#fetcher.underWay + this.#preloading,
      views: this.#views.size,
      pagesCached: this.#store.size,
      indexBytes: this.#views.current.state.map.byteLength,
      files: this.#chain.files.size,
    }
  }

  async close(): Promise<void> {
    this.#abort.abort(new LitestreamError('REPLICA_CLOSED', 'the replica was closed'))
    clearTimeout(this.#staleTimer)
    clearTimeout(this.#collecting)
    native.setState(this.id, STATE_CLOSED, 'REPLICA_CLOSED', 'the replica was closed')
    await this.#opening?.catch(() => undefined) // whoever asked for the opening is told
    await this.#poller?.stopped
    await this.#fetcher?.idle()
    await this.#hydrator?.close()
    await this.#client?.close()
  }

  #refuse(request: BridgeRequest, error: unknown): void {
    const { code, message } = toLitestreamError(error)
    native.failRequest(request.id, code, message)
  }

  #onPoll(outcome: PollOutcome): void {
    switch (outcome.kind) {
      case 'unchanged':
        this.#contact(outcome.startedAt)
        break
      case 'advanced':
        this.#advance(outcome)
        this.#contact(outcome.startedAt)
        break
      case 'moved':
        this.#repoint(outcome.state)
        this.#contact(outcome.startedAt)
        break
      case 'rebuilt':
        // That a replica is still the same although no file is, is believed for the report; nothing is taken over from before.
        this.#rebuild(outcome.state, outcome.reason === 'reset' || outcome.reason === 'replaced')
        if (outcome.reason === 'reset')
          this.#emit({ type: 'reset', message: outcome.message, txid: outcome.state.txid })
        if (outcome.reason === 'gap') this.#emit({ type: 'gap', message: outcome.message })
        this.#contact(outcome.startedAt)
        break
      case 'gap':
        this.#emit({ type: 'gap', message: outcome.message })
        native.setState(this.id, this.#stale ? STATE_STALE : STATE_LIVE, 'LTX_GAP', outcome.message)
        this.#checkStale()
        break
      case 'failed':
        this.#emit({ type: 'error', code: outcome.error.code, message: outcome.error.message })
        if (!this.#stale) native.setState(this.id, STATE_LIVE, outcome.error.code, outcome.error.message)
        this.#checkStale()
        break
    }
    this.#collect()
    this.#reclaimFiles()
    this.#hydrator?.fold()
  }

  /** The table of files holds what views point into, and some more: not every file there ever was. */
  #reclaimFiles(): void {
    const { files } = this.#chain
    if (files.size < this.#reclaimAt) return
    const used = new Set<number>()
    for (const { state } of this.#views.all()) state.map.collectFiles(used)
    used.add(files.ordinal(this.#views.current.state.anchor))
    this.#fetcher.collectFiles(used)
    this.#hydrator?.collectFiles(used)
    const freed = files.reclaim(used)
    for (const store of new Set([this.#store, ...[...this.#views.all()].map((view) => view.store)])) {
      store.dropFiles(freed)
    }
    this.#reclaimAt = files.size + RECLAIM_FILES
  }

  /** Frees retired views; while some are still read, it looks again by itself: the next poll may be long in coming. */
  #collect(): void {
    clearTimeout(this.#collecting)
    if (this.#abort.signal.aborted || !this.#views.collect()) return
    this.#collecting = setTimeout(() => {
      this.#collect()
      this.#hydrator?.fold()
    }, COLLECT_MS).unref()
  }

  #contact(at: number): void {
    this.#lastContact = at
    native.setContact(this.id, at)
    this.#stale = false
    native.setState(this.id, STATE_LIVE, '', '')
    this.#awaitStale()
  }

  /** A poll that never ends must be told of, too. */
  #awaitStale(): void {
    const { maxStale } = this.#options
    if (!Number.isFinite(maxStale)) return
    clearTimeout(this.#staleTimer)
    const left = this.#lastContact + maxStale - Date.now()
    this.#staleTimer = setTimeout(() => this.#checkStale(), Math.max(1, left + 1)).unref()
  }

  #lastContact = Date.now()

  #checkStale(): void {
    const age = Date.now() - this.#lastContact
    if (this.#stale) return
    if (age <= this.#options.maxStale) {
      this.#awaitStale() // a timer may fire a moment early
      return
    }
    this.#stale = true
    const message = `the store was last seen ${age} ms ago, max_stale is ${this.#options.maxStale} ms`
    native.setState(this.id, STATE_STALE, 'REPLICA_STALE', message)
    this.#emit({ type: 'stale', message })
  }

  #advance({ extension }: Extract<PollOutcome, { kind: 'advanced' }>): void {
    const { state, files, changed, whole } = extension
    const before = this.#views.current
    if (whole) this.#views.distrustSchema()
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null, before, changed)
    this.#hydrator?.advance(before, view, changed)
    if (this.#options.readAhead.has('changes')) {
      this.#storeRead(view, files, before)
      this.#bringChanges(before, view, changed)
    }
    this.#views.publish(view)
    this.#emit({ type: 'advance', txid: state.txid, timestamp: state.timestamp })
  }

  /** How large a new file may be that is read whole: more than could be of use is read of none. */
  #wholeFiles(): number {
    if (this.#hydrator) return WHOLE_HYDRATED
    const resident = this.#store.size * this.#store.pageSize
    return Math.max(WHOLE_FILE_SIZE, Math.min(WHOLE_CHANGES, resident))
  }

  /**
   * What came with the indexes costs nothing more: it goes into slots before anyone asks. Of what changed since the view `before`, it
   * is the pages that were in memory, and new ones; of a file of few pages, all.
   */
  #storeRead(view: ReplicaView, files: readonly FileIndex[], before?: ReplicaView): void {
    for (const { info, pieces, frames } of files) {
      const file = this.#chain.files.ordinal(info)
      if (pieces[0].bytes.length === info.size) this.#recent?.keep(info, pieces[0].bytes)
      const few = frames.length <= view.store.slots / FEW_CHANGES
      for (const { offset, bytes } of pieces) {
        const end = offset + bytes.length
        const pages = frames
          .filter((frame) => frame.offset >= offset && frame.offset + frame.size <= end)
          .filter(({ pgno }) => view.state.map.fileOf(pgno) === file)
          .filter(
            ({ pgno }) => !before || few || this.#hydrator || pgno > before.state.commit || isResident(before, pgno),
          )
          .map((frame) => ({ file, ...frame }))
        this.#fetcher.store(view, bytes, offset, pages, before && 'changes')
      }
    }
  }

  /** Pages in memory that changed in files too large to be read whole: on their way before a reader can miss them. */
  #bringChanges(before: ReplicaView, view: ReplicaView, changed: Uint32Array): void {
    if (this.#hydrator) return
    const pages = [...changed].filter((pgno) => isResident(before, pgno) && !isResident(view, pgno))
    if (pages.length <= view.store.slots / 4) void this.#fetcher.bring(view, pages, 'changes')
  }

  /** The same TXID from other files: pages that are resident stay so. */
  #repoint(state: ChainState): void {
    const view = this.#views.current
    this.#adoptTable(state, view)
    view.state = state
  }

  #adoptTable(state: ChainState, view: ReplicaView): void {
    view.store.rekey((file, pgno) =>
      view.state.map.fileOf(pgno) === file ? pageKey(state.map.fileOf(pgno), pgno) : undefined,
    )
  }

  #rebuild(state: ChainState, reset: boolean): void {
    if (reset) this.#views.reincarnate()
    this.#reresolving.clear()
    this.#store = this.#storeFor(state.pageSize)
    this.#hydrator?.restart(state, reset)
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null)
    this.#hydrator?.adopt(view)
    this.#views.publish(view)
    this.#emit({ type: 'advance', txid: state.txid, timestamp: state.timestamp })
  }

  readonly #reresolving = new Map<string, Promise<void>>()

  /** A file under a view is gone or damaged: find the same pages in other files. Many requests may find out at once. */
  #reresolve(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    const key = `${view.id}/${lost ? fileIdentity(lost) : ''}`
    let running = this.#reresolving.get(key)
    if (!running) {
      running = this.#findAgain(view, cause, lost).finally(() => this.#reresolving.delete(key))
      this.#reresolving.set(key, running)
    }
    return running
  }

  async #findAgain(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      // A poll finds out whether this is still the replica that the view is of.
      await this.#poller.pollNow()
      if (view.incarnation !== this.#views.incarnation) throw begunAnew(view.state.txid, cause)
      const files = await this.#chain.listAll()
      const { anchor, timestamp } = this.#views.current.state
      const known = files[anchor.level].some((file) => fileIdentity(file) === fileIdentity(anchor))
      if (!known && attempt < REPLICA_ATTEMPTS) continue
      if (!known) throw cause
      try {
        const state = await staleState(this.#chain, view.state, files, lost)
        // The levels were not listed in one instant. Begun anew meanwhile, the replica was emptied first: then the anchor is gone, too.
        if (!(await this.#chain.stands(anchor, timestamp))) {
          if (attempt < REPLICA_ATTEMPTS) continue
          throw cause
        }
        this.#adoptTable(state, view)
        view.state = state
        return
      } catch (error) {
        // Where nothing takes a damaged file's place, the damage is what a person must hear of.
        if (isLitestreamError(error, 'PAGE_UNAVAILABLE') && isLitestreamError(cause, 'LTX_CORRUPT')) throw cause
        // A file vanished between the listing and the reading.
        if (!isLitestreamError(error, 'NOT_FOUND') || attempt >= REPLICA_ATTEMPTS) throw error
      }
    }
  }

  /** The opening failed for good; plain connections find the reason here. */
  fail(error: unknown): void {
    const { code, message } = toLitestreamError(error)
    native.setState(this.id, STATE_FAILED, code, message)
  }
}

function begunAnew(txid: number, cause?: LitestreamError): LitestreamError {
  return new LitestreamError(
    'REPLICA_RESET',
    `TXID ${formatTxid(txid)} of the replica is no longer what this transaction reads: it was begun anew`,
    { cause, hint: 'End the transaction: the next one sees the new replica.' },
  )
}

function isResident({ store, state }: ReplicaView, pgno: number): boolean {
  return store.has(pageKey(state.map.fileOf(pgno), pgno))
}

function aheadPages(view: ReplicaView, { kind, pages, trigger }: Ahead): AheadPage[] {
  return pages.map((pgno) => ({ view, pgno, trigger: pgno === trigger, kind }))
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
