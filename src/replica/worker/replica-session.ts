import { join } from 'node:path'
import {
  type ErrorCode,
  isLitestreamError,
  LitestreamError,
  type SerializedError,
  serializeError,
} from '../../errors.js'
import type { TemporaryFolder } from '../../fs/temporary-folder.js'
import { native } from '../../native/addon.js'
import type { BridgeRequest } from '../../native/replica.js'
import { openReplicaClient } from '../../storage/open.js'
import type { StoreOutage } from '../../storage/outage.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'
import { startTimer, type Timer } from '../../util/timers.js'
import type { ResolvedReplicaOptions, ResolvedWriteOptions } from '../options.js'
import { Chain, type ChainState, type LoadedState } from './chain/chain.js'
import { firstState } from './chain/first-state.js'
import type { Poller, PollOutcome } from './chain/poller.js'
import { StoreContact } from './contact.js'
import { failRequest } from './fail-request.js'
import type { Hydrator } from './hydration/hydrator.js'
import type { RecentFiles } from './hydration/recent-files.js'
import type { LostFiles } from './lost-files.js'
import { type AheadPage, Fetcher } from './pages/fetcher.js'
import { PageStore } from './pages/page-store.js'
import { setTrigger } from './pages/resident.js'
import { TreeShape } from './pages/tree-shape.js'
import { type ReplicaView, ViewSet } from './pages/view-set.js'
import { IndexWalk } from './prefetch/index-walk.js'
import { InteriorPreload } from './prefetch/interior-preload.js'
import { FilePages } from './prefetch/pages-of-files.js'
import { type Ahead, Prefetcher } from './prefetch/prefetcher.js'
import type { CommitAdoption } from './write/adoption.js'
import type { LocalFiles } from './write/local-files.js'
import type { ReplicaWriter, WriteEvent } from './write/writer.js'

/** Events that the worker sends to the handles of a replica. */
export type SessionEvent =
  | { readonly type: 'open' }
  | { readonly type: 'advance'; readonly txid: number; readonly timestamp: number }
  | { readonly type: 'stale'; readonly message: string }
  | { readonly type: 'gap'; readonly message: string }
  | { readonly type: 'reset'; readonly message: string; readonly txid: number }
  | { readonly type: 'hydrated'; readonly path: string }
  | { readonly type: 'closed' }
  | WriteEvent
  | ({ readonly type: 'outage'; readonly error?: SerializedError } & Omit<StoreOutage, 'error'>)
  | { readonly type: 'error'; readonly error: SerializedError }

/** Delay in milliseconds before the worker checks again whether a retired view is still read. */
const COLLECT_MS = 200
/**
 * Longest delay in milliseconds between the opening and the start of the poll loop. Without the
 * delay, loading the code of the poll loop and the first poll would compete with the first row.
 */
const START_POLLING_MS = 100
/** Delay in milliseconds before the next attempt if the code of the poll loop cannot be loaded. */
const RETRY_POLLING_MS = 1000
/** Number of files that may be added to the file table before unreferenced files are removed. */
const RECLAIM_FILES = 512

/** One open replica in the worker, with its views, pages, poll loop and local copy. */
export class ReplicaSession {
  readonly id: number
  readonly #options: ResolvedReplicaOptions
  readonly #emit: (event: SessionEvent) => void
  readonly #abort = new AbortController()
  readonly #views: ViewSet
  readonly #contact: StoreContact
  readonly #tree = new TreeShape()
  readonly #prefetcher: Prefetcher
  readonly #indexWalk = new IndexWalk(this.#tree)
  #client: ReplicaClient | undefined
  #chain!: Chain
  #store!: PageStore
  #fetcher!: Fetcher
  #filePages!: FilePages
  /** The poll loop. The field is undefined until `#polling` was called. */
  #poller: Poller | undefined
  #lost: LostFiles | undefined
  #startingToPoll: Timer | undefined
  #hydrator: Hydrator | undefined
  /** A temporary folder for the local copy, or undefined if the options name a path. */
  #folder: TemporaryFolder | undefined
  #writer: ReplicaWriter | undefined
  #adoption: CommitAdoption | undefined
  #opening: Promise<void> | undefined
  /** Number of preloads that are running. */
  #preloading = 0
  /** If the file table has this many files, the worker removes unreferenced files. */
  #reclaimAt = RECLAIM_FILES
  #collecting: Timer | undefined

  constructor(id: number, options: ResolvedReplicaOptions, emit: (event: SessionEvent) => void) {
    this.id = id
    this.#options = options
    this.#prefetcher = new Prefetcher(this.#tree, options.readAhead)
    this.#emit = emit
    this.#views = new ViewSet(id)
    this.#contact = new StoreContact(id, options.maxStale, (message) => emit({ type: 'stale', message }))
    const before = native.replicaInfo(id)?.contact
    if (before) this.#contact.resume(before)
    const { readTimeout, maxStale } = options
    native.setLimits(id, readTimeout, Number.isFinite(maxStale) ? maxStale : undefined)
  }

  /** The URL of the replica, including its secrets. */
  get url(): string {
    return this.#options.url
  }

  /**
   * Opens the replica. Concurrent calls of `open` share one attempt. If the attempt fails, `open`
   * throws its error, and the next call of `open` makes a new attempt.
   */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch(async (error) => {
      // The next attempt creates a new replica client. An error of closing the old client is
      // ignored, because it would hide the reason why opening failed.
      await this.#client?.close().catch(() => undefined)
      this.#client = undefined
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /**
   * Must be called when this worker could not take over the replica from an earlier worker. Without
   * the takeover, readers keep the view of the earlier worker until that view is stale.
   */
  failedToOpen(code: ErrorCode, message: string): void {
    this.#contact.missed(code, message, native.constants.state.orphaned)
  }

  /** Whether the replica is open, so that the worker can answer requests immediately. */
  get opened(): boolean {
    return this.#views.opened
  }

  /** Whether the local copy is complete. */
  get hydrated(): boolean {
    return this.#hydrator?.complete ?? false
  }

  async #open(): Promise<void> {
    const { url, cacheSize, concurrency, hydrate, write } = this.#options
    const signal = this.#abort.signal
    const { encryption } = this.#options
    const onOutage = (outage: StoreOutage) => this.#onOutage(outage)
    const store = await openReplicaClient(url, { signal, onOutage, ...(encryption ? { encryption } : {}) })
    this.#client = store
    // The store is checked at this point, so that the first write transaction waits for the result
    // of the check and reports an error of the check.
    if (this.#options.write) void store.guarantees?.ask({ signal }).catch(() => undefined)
    const client = await this.#throughDiskCache(store)
    this.#client = client
    this.#chain = new Chain(client, signal, (error) => this.#report(error))
    const { state, files, startedAt } = await this.#firstState(client.url)
    this.#store = new PageStore(state.pageSize, cacheSize)
    const writing = write && (await import('./write/writing.js'))
    const localFiles = writing && new writing.LocalFiles(client)
    this.#fetcher = new Fetcher({
      replica: this.id,
      client: localFiles ?? client,
      files: () => this.#chain.files,
      signal,
      concurrency,
      // Reads of a local file are not hedged, because a second request would only wait for the
      // first request. Reads over SFTP are not hedged, because a second request on the same
      // connection would only wait for the first request.
      hedge: this.#options.hedge && store.type !== 'file' && store.type !== 'sftp',
      reresolve: (view, cause, lost) => this.#replaceLost(view, cause, lost),
      onInterior: (view, pgno, slot, wanted) => this.#onInterior(view, pgno, slot, wanted),
      onRows: (view, pgnos) => this.#onRows(view, pgnos),
    })
    let recent: RecentFiles | undefined
    const path = hydrate === true ? await this.#temporaryCopy() : hydrate
    if (path !== undefined) {
      const { Hydrator } = await import('./hydration/hydrator.js')
      const { RecentFiles } = await import('./hydration/recent-files.js')
      // The bytes for the local copy are read without the disk cache, because the disk cache need
      // not contain the same bytes.
      recent = new RecentFiles(store)
      this.#hydrator = await Hydrator.open({
        replica: this.id,
        path,
        url: client.url,
        state,
        planned: files.map(({ info }) => info),
        client: recent,
        files: () => this.#chain.files,
        signal,
        reresolve: (view, cause, lost) => this.#replaceLost(view, cause, lost),
        onReopened: () => this.#publishAnew(this.#views.current.state),
        onHydrated: () => this.#emit({ type: 'hydrated', path }),
        onError: (error) => this.#report(error),
      })
    }
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null)
    await this.#hydrator?.adopt(view)
    this.#filePages = new FilePages(this.#fetcher, this.#chain.files, recent)
    this.#filePages.storeHeads(view, files)
    this.#views.publish(view)
    this.#contact.seen(startedAt)
    if (localFiles) await this.#startWriter(writing, write, store, localFiles)
    this.#startPolling()
    this.#hydrator?.start()
    // Opening the replica does not wait for the preloads. A page request that arrives during the
    // preloads waits until they end, and then finds its pages resident.
    this.#preloading++
    setImmediate(() => {
      if (!signal.aborted && this.#views.current === view) this.#filePages.storeRest(view, files)
      this.#preloadInterior()
      this.#preloading--
    })
    this.#emit({ type: 'open' })
  }

  /**
   * Starts the poll loop after `delay` milliseconds. If its code cannot be loaded, for example
   * because the process has too many open files, reports the error and tries again.
   */
  #startPolling(delay = Math.min(START_POLLING_MS, this.#options.pollInterval / 2)): void {
    const since = monotonicMs()
    const start = async () => (await this.#polling()).start(monotonicMs() - since)
    this.#startingToPoll = startTimer(delay, start, (error) => {
      this.#report(error)
      if (!this.#abort.signal.aborted) this.#startPolling(RETRY_POLLING_MS)
    }).unref()
  }

  /** Returns the poll loop. The first call loads its code. */
  async #polling(): Promise<Poller> {
    if (this.#poller === undefined) {
      const updates = await import('./updates.js')
      this.#poller ??= this.#createPoller(updates)
    }
    return this.#poller
  }

  #createPoller({ Poller, LostFiles, RELIST_INTERVAL_MS }: typeof import('./updates.js')): Poller {
    const poller = new Poller({
      chain: this.#chain,
      client: this.#client!,
      interval: this.#options.pollInterval,
      wholeFiles: () => this.#filePages.wholeFiles(this.#store),
      idleInterval: this.#options.idlePollInterval,
      // The re-list interval is at most half of maxStale. With a longer interval, a view could
      // become older than maxStale unnoticed.
      relistInterval: Math.min(RELIST_INTERVAL_MS, this.#options.maxStale / 2),
      signal: this.#abort.signal,
      // While some commits are only local, the state of the store is older than the current view.
      state: () => this.#adoption?.stored ?? this.#views.current.state,
      onOutcome: (outcome) => this.#onPoll(outcome),
    })
    this.#lost = new LostFiles(this.#chain, this.#views, poller)
    return poller
  }

  /** Points a view at other files after a file was deleted or damaged. */
  async #replaceLost(view: ReplicaView, cause: LitestreamError, lost: LtxFileInfo | undefined): Promise<void> {
    await this.#polling()
    await this.#lost!.replace(view, cause, lost)
  }

  #onOutage({ error, ...outage }: StoreOutage): void {
    this.#emit({ type: 'outage', ...outage, ...(error === undefined ? {} : { error: serializeError(error) }) })
  }

  /** Returns the path of a temporary local copy. The copy is deleted when the replica is closed. */
  async #temporaryCopy(): Promise<string> {
    const { TemporaryFolder } = await import('../../fs/temporary-folder.js')
    this.#folder ??= await TemporaryFolder.create('litestream-ts-copy-')
    return join(this.#folder.path, 'copy.db')
  }

  /**
   * Starts the preload of interior pages. With a local copy no preload is needed, because the local
   * copy soon fetches every page.
   */
  #preloadInterior(): void {
    if (!this.#options.readAhead.has('interior') || this.#hydrator) return
    this.#preloading++
    const current = () => this.#views.current
    void new InteriorPreload({ tree: this.#tree, fetcher: this.#fetcher, current, signal: this.#abort.signal })
      .run()
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#preloading--
      })
  }

  /**
   * Returns the first state of the replica. A replica that is opened for writing may be empty,
   * because the first commit creates the replica.
   */
  async #firstState(url: string): Promise<LoadedState & { readonly startedAt: number }> {
    if (!this.#options.write) return firstState(this.#chain, url, this.#options, this.#abort.signal)
    const startedAt = monotonicMs()
    try {
      return { ...(await this.#chain.loadFiles()), startedAt }
    } catch (error) {
      if (!isLitestreamError(error, 'REPLICA_EMPTY')) throw error
      return { state: this.#chain.emptyState(), files: [], startedAt }
    }
  }

  /** `client` is the replica client without the disk cache. The disk cache supports only reads. */
  async #startWriter(
    writing: typeof import('./write/writing.js'),
    options: ResolvedWriteOptions,
    client: ReplicaClient,
    files: LocalFiles,
  ): Promise<void> {
    this.#adoption = new writing.CommitAdoption({
      chain: this.#chain,
      views: this.#views,
      files,
      begin: ({ state, files: first }) => {
        this.#store = this.#storeFor(state.pageSize)
        this.#hydrator?.restart(state, true)
        this.#publishAnew(state)
        this.#filePages.storeHeads(this.#views.current, first)
        this.#onCommitted()
      },
      advance: (extension, { counter }) => {
        this.#advance({ startedAt: monotonicMs(), kind: 'advanced', extension }, counter)
        this.#onCommitted()
      },
    })
    this.#writer = await writing.ReplicaWriter.open({
      replica: this.id,
      client,
      options,
      viewOf: (id) => this.#views.get(id),
      current: () => this.#views.current,
      adoption: this.#adoption,
      knownAt: () => this.#contact.seenAt,
      refresh: async () => (await this.#polling()).pollForCertain(),
      emit: this.#emit,
    })
  }

  /**
   * Handles a commit of this process. A commit of this process proves that the store had no newer
   * file.
   */
  #onCommitted(): void {
    this.#contact.seen(monotonicMs())
    this.#collect()
  }

  /** Handles a request of a connection that begins or ends a write. */
  onWrite(request: BridgeRequest): void {
    const writer = this.#writer
    if (!writer) {
      this.#refuse(request, new LitestreamError('WRITE_DISABLED', 'the replica was not opened for writing'))
    } else if (request.kind === native.constants.request.begin) void writer.onBegin(request)
    else if (request.kind === native.constants.request.commit) void writer.onCommit(request)
    else void writer.onFlush(request)
  }

  /** Resolves when every commit of this process is in the store. */
  async flush(): Promise<void> {
    await this.#writer?.flush()
  }

  async #throughDiskCache(store: ReplicaClient): Promise<ReplicaClient> {
    const { diskCache, diskCacheSize } = this.#options
    if (diskCache === undefined) return store
    const { CachedReplicaClient } = await import('../../storage/disk-cache/cached-client.js')
    return CachedReplicaClient.open(store, { directory: diskCache, limit: diskCacheSize })
  }

  /** Handles page requests that arrived in one batch. */
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

  /** Handles the read of a page with a trigger. */
  onAhead(request: BridgeRequest): void {
    native.completeRequest(request.id)
    const view = this.#views.get(request.view)
    if (view) this.#fetcher.ask([], aheadPages(view, this.#prefetcher.onTrigger(request.reader, view, request.pgno)))
  }

  #onInterior(view: ReplicaView, pgno: number, slot: number, wanted: boolean): void {
    const children = native.btreeChildren(view.store.cache, slot, pgno, view.state.commit)
    // A damaged interior page may name children that no file contains.
    const { map } = view.state
    if (children.some((child) => map.fileOf(child) === 0)) return
    this.#tree.learn(pgno, children)
    if (!wanted || children.length === 0) return
    // A read of the first child of an interior page shows that a scan begins.
    setTrigger(view, children[0])
  }

  #onRows(view: ReplicaView, pgnos: readonly number[]): void {
    const pages = pgnos.flatMap((pgno) => this.#indexWalk.onArrival(view, pgno))
    this.#fetcher.ask([], aheadPages(view, { kind: 'rows', pages, trigger: 0 }))
  }

  /**
   * Answers a page request of a transaction that still reads a view that an earlier worker
   * published. This worker builds the page map of such a view again, as of the view's TXID.
   */
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
    if (!facts) throw new LitestreamError('PAGE_UNAVAILABLE', 'the view of this transaction no longer exists')
    const { exactState, replicaWasReset, unavailable } = await import('./updates.js')
    const state = await exactState(this.#chain, facts, await this.#chain.listAll())
    if (!state) throw unavailable(facts.txid)
    // The replica may have been reset while the process had no worker.
    if (state.timestamp !== facts.timestamp) throw replicaWasReset(facts.txid)
    return this.#views.adopt(id, state, this.#storeFor(state.pageSize))
  }

  #storeFor(pageSize: number): PageStore {
    return pageSize === this.#store.pageSize ? this.#store : new PageStore(pageSize, this.#options.cacheSize)
  }

  async onTravel(request: BridgeRequest): Promise<void> {
    try {
      const { parseTravelTarget } = await import('./chain/travel-target.js')
      const target = await parseTravelTarget(request.text, Date.now())
      const state = await this.#chain.load(target)
      // Connections that travel to the same TXID share one view.
      const there = this.#views.at(state)
      const view = there ?? this.#views.addTravelled(state, this.#storeFor(state.pageSize))
      native.completeTravel(request.id, view.id)
      if (!there) this.#views.retire(view)
      this.#collect()
    } catch (error) {
      this.#refuse(request, error)
    }
  }

  /** Polls immediately, and resolves with the newest TXID after the poll. */
  async refresh(): Promise<number> {
    await (await this.#polling()).pollForCertain()
    return this.#views.current.state.txid
  }

  /** Returns the TXID and the time of the state at a travel target. */
  async resolveTarget(target: string): Promise<{ txid: number; timestamp: number }> {
    const { parseTravelTarget } = await import('./chain/travel-target.js')
    const { txid, timestamp } = await this.#chain.load(await parseTravelTarget(target, Date.now()))
    return { txid, timestamp }
  }

  stats(): Record<string, unknown> {
    return {
      fetch: this.#fetcher.counts,
      storage: this.#client?.stats(),
      writes: this.#writer?.counts,
      underWay: this.#fetcher.underWay + this.#preloading,
      views: this.#views.size,
      pagesCached: this.#store.size,
      indexBytes: this.#views.current.state.map.byteLength + this.#chain.indexCacheSize,
      files: this.#chain.files.size,
    }
  }

  async close(): Promise<void> {
    // The writer is closed before the requests of readers are cancelled. Closing the writer waits
    // for a running commit.
    await this.#writer?.close()
    this.#abort.abort(new LitestreamError('REPLICA_CLOSED', 'the replica was closed'))
    this.#contact.stop()
    this.#collecting?.stop()
    this.#startingToPoll?.stop()
    native.setState(this.id, native.constants.state.closed, 'REPLICA_CLOSED', 'the replica was closed')
    await this.#opening?.catch(() => undefined) // the caller of open() gets this error
    await this.#poller?.stopped()
    await this.#fetcher?.idle()
    await this.#hydrator?.close()
    await this.#folder?.remove()
    await this.#client?.close()
  }

  #report(error: unknown): void {
    this.#emit({ type: 'error', error: serializeError(error) })
  }

  #refuse(request: BridgeRequest, error: unknown): void {
    failRequest(request.id, error)
  }

  #onPoll(outcome: PollOutcome): void {
    if (this.#adoption?.hasLocal && this.#onPollBesideLocal(this.#adoption, outcome)) return
    switch (outcome.kind) {
      case 'unchanged':
        this.#contact.seen(outcome.startedAt)
        break
      case 'advanced':
        this.#advance(outcome)
        this.#contact.seen(outcome.startedAt)
        break
      case 'moved':
        this.#views.repoint(this.#views.current, outcome.state)
        this.#contact.seen(outcome.startedAt)
        break
      case 'rebuilt':
        // If all files of the replica were replaced, the database may still have the same contents.
        // If the contents are the same, the worker reports no reset, but the new view shares no
        // page with earlier views.
        this.#rebuild(outcome.state, outcome.reason)
        if (outcome.reason === 'reset')
          this.#emit({ type: 'reset', message: outcome.message, txid: outcome.state.txid })
        if (outcome.reason === 'gap') this.#emit({ type: 'gap', message: outcome.message })
        this.#contact.seen(outcome.startedAt)
        break
      case 'gap':
        this.#emit({ type: 'gap', message: outcome.message })
        this.#contact.missed('LTX_GAP', outcome.message)
        break
      case 'failed':
        this.#report(outcome.error)
        this.#contact.missed(outcome.error.code, outcome.error.message)
        break
    }
    this.#collect()
    this.#reclaimFiles()
    this.#hydrator?.fold()
  }

  /**
   * Handles the outcome of a poll while the store lacks commits of this process. Returns true if
   * the caller must not handle the outcome.
   */
  #onPollBesideLocal(adoption: CommitAdoption, outcome: PollOutcome): boolean {
    if (outcome.kind === 'unchanged' || outcome.kind === 'failed') return false
    this.#contact.seen(outcome.startedAt)
    if (outcome.kind === 'moved') adoption.moved(outcome.state)
    else this.#writer?.onForeignFiles(outcome.kind === 'advanced')
    return true
  }

  /**
   * Removes unreferenced files from the file table. Without `#reclaimFiles`, the file table would
   * contain every file that ever existed in the replica.
   */
  #reclaimFiles(): void {
    const { files } = this.#chain
    if (files.size < this.#reclaimAt) return
    const used = new Set<number>()
    for (const { state } of this.#views.all()) state.map.collectFiles(used)
    used.add(files.ordinal(this.#views.current.state.anchor))
    if (this.#adoption) used.add(files.ordinal(this.#adoption.stored.anchor))
    this.#fetcher.collectFiles(used)
    this.#hydrator?.collectFiles(used)
    const freed = files.reclaim(used)
    for (const store of new Set([this.#store, ...[...this.#views.all()].map((view) => view.store)])) {
      store.dropFiles(freed)
    }
    this.#reclaimAt = files.size + RECLAIM_FILES
  }

  /**
   * Frees retired views. If readers still read a retired view, checks again after COLLECT_MS. The
   * next poll may come much later.
   */
  #collect(): void {
    this.#collecting?.stop()
    if (this.#abort.signal.aborted || !this.#views.collect()) return
    this.#collecting = startTimer(COLLECT_MS, () => {
      this.#collect()
      this.#hydrator?.fold()
    }).unref()
  }

  /**
   * Makes the next state of the replica the current view. `counter` is true if other states have
   * the same TXID, so that the change counter must not be derived from the TXID.
   */
  #advance({ extension }: Extract<PollOutcome, { kind: 'advanced' }>, counter = false): void {
    const { state, files, changed, whole } = extension
    const before = this.#views.current
    if (whole) this.#views.distrustSchema()
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null, before, changed, counter)
    this.#hydrator?.advance(before, view, changed)
    if (this.#options.readAhead.has('changes')) {
      this.#filePages.store(view, files, before)
      this.#filePages.bringChanges(before, view, changed)
    }
    this.#views.publish(view)
    this.#emit({ type: 'advance', txid: state.txid, timestamp: state.timestamp })
  }

  #rebuild(state: ChainState, reason: Extract<PollOutcome, { kind: 'rebuilt' }>['reason']): void {
    const isAnother = reason === 'reset' || reason === 'replaced'
    if (isAnother) this.#views.reincarnate(reason === 'reset')
    // Changes that the worker did not see may have replaced the whole database.
    else this.#views.distrustSchema()
    this.#lost?.clear()
    this.#store = this.#storeFor(state.pageSize)
    this.#hydrator?.restart(state, isAnother)
    this.#publishAnew(state)
    this.#emit({ type: 'advance', txid: state.txid, timestamp: state.timestamp })
  }

  /** Publishes a view that has no base and reads from the current local copy. */
  #publishAnew(state: ChainState): void {
    const view = this.#views.add(state, this.#store, this.#hydrator?.file ?? null)
    // The pages of the local copy are added to the view later, because a local copy has no pages
    // immediately after it was opened.
    void this.#hydrator?.adopt(view)
    this.#views.publish(view)
  }
}

function aheadPages(view: ReplicaView, { kind, pages, trigger }: Ahead): AheadPage[] {
  return pages.map((pgno) => ({ view, pgno, trigger: pgno === trigger, kind }))
}
