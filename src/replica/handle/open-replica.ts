import { EventEmitter } from 'node:events'
import { deserializeError, LitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { native } from '../../native/addon.js'
import type { ReadAheadStats } from '../../native/read-ahead.js'
import { type ExtensionLoader, isDriverClass } from '../../sqlite/driver-class.js'
import { reportOutage, type StoreOutage } from '../../storage/outage.js'
import { secretUrl } from '../../storage/url.js'
import { checkArgument, checkOptions, text, time, txid, waitChecks } from '../../util/check-arguments.js'
import { monotonicMs } from '../../util/monotonic.js'
import { MAX_DELAY_MS, startInterval } from '../../util/timers.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { formatKey } from '../key.js'
import {
  REPLICA_OPTION_CHECKS,
  type ReplicaOptions,
  resolveOptions,
  toParameters,
  withEnvironment,
} from '../options.js'
import type { SessionEvent } from '../worker/replica-session.js'
import { type ReplicaDriver, registerDriver, registerDrivers } from './drivers.js'
import { type PrefetchOptions, prefetch } from './prefetch-queries.js'
import { callWorker, ensureWorker, onSessionEvent } from './worker-host.js'

export interface ReplicaStats {
  /**
   * Pages served from memory or from the local copy, and pages requested from the replica worker.
   */
  readonly hits: number
  /** Pages requested from the replica worker. */
  readonly misses: number
  /** Requests to the replica worker, which runs JavaScript; grows only on a miss. */
  readonly crossings: number
  /** Number of open connections. */
  readonly readers: number
  /** Size of the page cache in bytes. */
  readonly cacheBytes: number
  /** Page size of the database in bytes; 0 before the first state. */
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** Fraction of the pages that are in the local copy, 0 to 1. */
  readonly hydration: number
  /** Outcomes of the pages that each kind of prefetch brought. */
  readonly readAhead: ReadAheadStats
}

/** Counters of the replica worker: requests to the store, prefetched pages, views, writes. */
export interface WorkerStats {
  readonly fetch: {
    readonly requests: number
    readonly bytes: number
    readonly pagesWanted: number
    readonly pagesAhead: number
    readonly aheadJoined: number
    /**
     * Requests sent a second time because the first response was slow, and how many of them
     * responded first.
     */
    readonly hedged: number
    readonly hedgesWon: number
  }
  /** Pages that are being fetched. */
  readonly underWay: number
  /** Requests to the store by kind: LIST, GET, PUT, DELETE, HEAD. */
  readonly storage: Record<
    string,
    { requests: number; errors: number; retries: number; bytes: number; seconds: number }
  >
  /** Commits of this process; undefined if the replica was not opened for writing. */
  readonly writes?: {
    readonly commits: number
    /** Files written to the store. */
    readonly uploads: number
    /** Commits that are not in the store yet. */
    readonly pending: number
    /** Transactions that were rolled back because another writer committed first. */
    readonly conflicts: number
    /** Uploads whose outcome was unknown at first. */
    readonly ambiguous: number
    readonly pages: number
    /** Size of the LTX files in bytes. */
    readonly bytes: number
  }
  /** Number of states of the replica (views) that are in memory. */
  readonly views: number
  /** Number of pages in the page cache. */
  readonly pagesCached: number
  /** Memory of the page map. */
  readonly indexBytes: number
  /** Number of LTX files that the reader tracks. */
  readonly files: number
}

/** An earlier state of a replica. */
export type ReplicaTarget =
  /** The state after this transaction. */
  | { readonly txid: number }
  /** The last state before this time: a Date, an RFC 3339 string, or a text such as "5 minutes ago". */
  | { readonly timestamp: Date | string }

/** A state of a replica, at which connections can be opened. */
export interface ReplicaMoment {
  /** TXID of the state. */
  readonly txid: number
  /** The time at which the primary wrote it. */
  readonly timestamp: Date
  /** The URI to pass to a driver. */
  readonly uri: string
}

interface ReplicaEvents {
  /** A newer TXID can be read. */
  advance: [{ txid: number; timestamp: Date }]
  /** No poll has succeeded for longer than maxStale: reads fail from now on. */
  stale: [LitestreamError]
  /** TXIDs are missing in the replica. */
  gap: [LitestreamError]
  /** The replica was reset; reads continue with its new contents. */
  reset: [LitestreamError]
  /** The local copy is complete. */
  hydrated: [{ path: string }]
  /** The store has a file with this many commits of this process. */
  commit: [{ txid: number; commits: number; bytes: number }]
  /** Another writer committed first: a transaction of this process was rolled back. */
  conflict: [LitestreamError]
  /** Another writer has taken the lease; the next transaction requests it again. */
  fenced: [LitestreamError]
  /**
   * The store answers no request, which is retried, or answers again; see `openReplicaClient`.
   * Without a listener, an outage is a process warning.
   */
  outage: [StoreOutage]
  /** A temporary fault; reads continue as far as possible. */
  error: [LitestreamError]
  /** The handle was closed. */
  closed: []
}

/** Interval at which close() checks whether the worker still exists. */
const WORKER_CHECK_MS = 100

/**
 * A replica that this process has open. Every connection to `uri`, on any thread, shares its index,
 * its cache and its poll loop.
 */
export class Replica extends EventEmitter<ReplicaEvents> {
  readonly #id: number
  readonly #key: string
  readonly #stop: () => void
  readonly #hydrates: boolean
  #hydrated: Promise<void> | undefined
  /**
   * The event is emitted once, when the copy is complete for the first time, possibly before
   * `hydrated` is read.
   */
  #wasHydrated = false
  #closed = false
  #closing: Promise<void> | undefined
  #workerClosed: (() => void) | undefined

  /** The URL of the replica, without credentials. */
  readonly url: string
  /** The file name for a driver: `new Database(replica.uri, { readonly: true })`. */
  readonly uri: string

  /** @internal use openReplica */
  constructor(id: number, key: string, url: string, hydrates: boolean) {
    super()
    this.#id = id
    this.#key = key
    this.#hydrates = hydrates
    this.url = String(secretUrl(url))
    // The URI has no credentials, because drivers print the name of a database; the key, which
    // stays in this process, has them. A driver that reads no URIs, or whose SQLite has no such
    // VFS, takes it for a path: the folder does not exist, so that no empty file is made of that
    // name.
    this.uri = `file:litestream-replica/${encodeURIComponent(nameOf(this.url))}?vfs=litestream&replica_id=${id}`
    this.#stop = onSessionEvent(id, (event) => this.#onEvent(event))
  }

  /** TXID of the newest state that can be read. */
  get txid(): number {
    return this.#info().txid ?? 0
  }

  /** The time at which the primary wrote that state. */
  get timestamp(): Date {
    return new Date(this.#info().timestamp ?? 0)
  }

  /**
   * The last error of this replica as `CODE: message`; empty if there was none.
   *
   * @internal
   */
  get lastError(): string {
    return this.#info().error
  }

  /**
   * Milliseconds since the last successful poll began: the maximum time by which reads are behind
   * the primary. Infinity before the first poll.
   */
  get lagMs(): number {
    const { contact } = this.#info()
    return contact === 0 ? Number.POSITIVE_INFINITY : Math.max(0, monotonicMs() - contact)
  }

  /** Counters of the connections of this process; returned without waiting. */
  stats(): ReplicaStats {
    const info = this.#info()
    return {
      hits: info.hits,
      misses: info.misses,
      crossings: info.crossings,
      readers: info.readers,
      cacheBytes: info.cacheBytes ?? 0,
      pageSize: info.pageSize ?? 0,
      commit: info.commit ?? 0,
      hydration: info.hydration,
      readAhead: info.readAhead,
    }
  }

  /** @internal the copy was complete before this handle was created */
  noteHydrated(): void {
    this.#wasHydrated = true
  }

  /** Counters of the replica worker: requests, prefetched pages, views, writes. */
  async workerStats(waiting: WaitOptions = {}): Promise<WorkerStats> {
    this.#info()
    return (await this.#wait('reading the statistics', waiting, { method: 'stats' })) as WorkerStats
  }

  /**
   * Resolves when the local copy is complete; immediately without hydration. Rejects with
   * REPLICA_CLOSED if the replica is closed before, and with the signal's reason if the signal
   * aborts.
   */
  async whenHydrated(waiting: WaitOptions = {}): Promise<void> {
    this.#hydrated ??= this.#awaitHydration()
    const hydrated = this.#hydrated
    await withDeadline(`filling the local copy of ${this.url}`, waiting, () => hydrated, { abandon: true })
  }

  /**
   * An earlier state of the replica: `{ txid }`, or the last state before `{ timestamp }` (a Date, an
   * RFC 3339 string, "5 minutes ago"). Pass the `uri` to a driver any number of times: its connections
   * stay at that state, while connections of this handle continue with new states.
   *
   * Throws TXID_NOT_AVAILABLE if retention has removed the necessary files, INVALID_ARGUMENT for an
   * invalid time, and the signal's reason if the signal aborts.
   *
   * @example
   * const replica = await openReplica('s3://bucket/app.db')
   * const { uri, timestamp } = await replica.at({ txid: 1 })
   * const before = new Database(uri, { readonly: true })
   * before.close()
   * await replica.close()
   */
  async at(target: ReplicaTarget, waiting: WaitOptions = {}): Promise<ReplicaMoment> {
    this.#info()
    const moment = targetText(target)
    const call = { method: 'resolve', target: moment } as const
    const found = (await this.#wait(`finding the state at ${moment}`, waiting, call)) as {
      txid: number
      timestamp: number
    }
    return {
      txid: found.txid,
      timestamp: new Date(found.timestamp),
      uri: `${this.uri}&at=${formatTxid(found.txid)}`,
    }
  }

  /**
   * Runs a query on a separate thread to prefetch its pages, so that the same query then finds them
   * in memory and does not block the event loop. The rows are discarded.
   *
   * Throws INVALID_ARGUMENT for SQL that is not a query, and the signal's reason if the signal
   * aborts.
   */
  async prefetch(sql: string, options: PrefetchOptions & Pick<WaitOptions, 'timeout'> = {}): Promise<void> {
    this.#info()
    checkArgument(sql, 'sql', text, 'Replica.prefetch')
    const { signal, timeout, ...rest } = options
    await withDeadline(`prefetching from ${this.url}`, { signal, timeout }, (linked) =>
      prefetch(this.uri, sql, { ...rest, ...(linked ? { signal: linked } : {}) }),
    )
  }

  /**
   * Polls the store immediately; resolves with the TXID that is then current. If the signal aborts,
   * rejects with its reason.
   */
  async refresh(waiting: WaitOptions = {}): Promise<number> {
    this.#info()
    return (await this.#wait('polling', waiting, { method: 'refresh' })) as number
  }

  /** The worker's answer; rejects as soon as the caller's signal aborts or its deadline passes. */
  #wait(what: string, waiting: WaitOptions, call: Parameters<typeof callWorker>[2]): Promise<unknown> {
    const work = () => callWorker(this.#id, this.#key, call)
    return withDeadline(`${what} of ${this.url}`, waiting, work, { abandon: true })
  }

  /**
   * Resolves when every commit of this process is in the store. If the signal aborts, rejects with
   * its reason.
   */
  async flush(waiting: WaitOptions = {}): Promise<void> {
    this.#info()
    await this.#wait('uploading commits', waiting, { method: 'flush' })
  }

  /**
   * Closes this handle. Open connections keep the replica until they are closed. If no connection
   * is open, resolves when the replica's requests have ended and its local copy is durable. A
   * signal or `timeout` ends only the wait.
   */
  async close(waiting: WaitOptions = {}): Promise<void> {
    this.#closing ??= this.#close()
    const closing = this.#closing
    await withDeadline(`closing ${this.url}`, waiting, () => closing, { abandon: true })
  }

  async #close(): Promise<void> {
    this.#closed = true
    let ended = () => {}
    const workerClosed = new Promise<void>((resolve) => {
      ended = resolve
    })
    this.#workerClosed = ended
    if (native.releaseReplica(this.#id)) {
      // The timer also keeps the process alive meanwhile. If the worker has exited, nothing is left
      // to close.
      const timer = startInterval(WORKER_CHECK_MS, () => {
        if (!native.workerAlive()) ended()
      })
      await workerClosed
      timer.stop()
    }
    this.#stop()
    this.emit('closed')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #info() {
    const info = this.#closed ? undefined : native.replicaInfo(this.#id)
    if (!info) throw new LitestreamError('REPLICA_CLOSED', `${this.url}: the replica was closed`)
    return info
  }

  async #awaitHydration(): Promise<void> {
    this.#info()
    if (!this.#hydrates || this.#wasHydrated) return
    // The timer keeps the process alive during the wait; neither the worker nor its channel does.
    const alive = startInterval(MAX_DELAY_MS, () => undefined)
    try {
      await new Promise<void>((resolve, reject) => {
        this.once('hydrated', () => resolve())
        this.once('closed', () =>
          reject(new LitestreamError('REPLICA_CLOSED', `${this.url}: closed before its local copy was complete`)),
        )
      })
    } finally {
      alive.stop()
    }
  }

  /**
   * An EventEmitter throws if 'error' has no listener: a temporary fault of a background loop must
   * not end the process.
   */
  #onError(error: LitestreamError): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    // Damage needs attention, so it is logged even if no handle listens, for example during
    // opening.
    else if (error.code === 'LTX_CORRUPT' || error.code === 'HYDRATION_CONFLICT') {
      process.emitWarning(`${error.message}. ${error.hint}`, { code: error.code, type: 'LitestreamWarning' })
    }
  }

  #onOutage(outage: StoreOutage): void {
    if (!this.emit('outage', outage)) reportOutage(outage)
  }

  /** The worker's message with the URL of its replica. */
  #about(message: string): string {
    return message.includes('://') ? message : `${this.url}: ${message}`
  }

  #onEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'open':
        break
      case 'closed':
        this.#workerClosed?.()
        break
      case 'advance':
        this.emit('advance', { txid: event.txid, timestamp: new Date(event.timestamp) })
        break
      case 'hydrated':
        this.noteHydrated()
        this.emit('hydrated', { path: event.path })
        break
      case 'stale':
        this.emit('stale', new LitestreamError('REPLICA_STALE', this.#about(event.message)))
        break
      case 'gap':
        this.emit('gap', new LitestreamError('LTX_GAP', this.#about(event.message)))
        break
      case 'reset':
        this.emit('reset', new LitestreamError('REPLICA_RESET', this.#about(event.message)))
        break
      case 'commit':
        this.emit('commit', { txid: event.txid, commits: event.commits, bytes: event.bytes })
        break
      case 'conflict':
      case 'fenced':
        this.emit(event.type, new LitestreamError(event.code, this.#about(event.message)))
        break
      case 'outage': {
        const { type, error, ...outage } = event
        this.#onOutage({ ...outage, ...(error === undefined ? {} : { error: deserializeError(error) }) })
        break
      }
      case 'error':
        this.#onError(deserializeError(event.error))
        break
    }
  }
}

/** `signal` and `timeout` end the opening, and no more. */
export interface OpenReplicaOptions extends ReplicaOptions, WaitOptions {
  /**
   * The driver that reads the replica: its class (`Database` of better-sqlite3, `DatabaseSync` of
   * node:sqlite) or one of its connections. Required if the program uses a copy that this package
   * does not find: the package searches for better-sqlite3 in its own installation folder and among
   * the modules that this thread has loaded.
   */
  readonly driver?: ReplicaDriver
}

/** The accepted values of the option `driver`. */
function isDriver(value: unknown): string | undefined {
  const loads = typeof (value as Partial<ExtensionLoader> | null)?.loadExtension === 'function'
  return loads || isDriverClass(value)
    ? undefined
    : 'the class of a driver, or a connection of it, with the method loadExtension'
}

/** A target of `at` in the form for the worker. Throws INVALID_ARGUMENT. */
function targetText(target: unknown): string {
  const given = typeof target === 'object' && target !== null ? (target as Record<string, unknown>) : {}
  const { txid: id, timestamp } = given
  if (Object.keys(given).length !== 1 || (id === undefined && timestamp === undefined)) {
    throw new LitestreamError('INVALID_ARGUMENT', 'Replica.at: target must be { txid } or { timestamp }', {
      hint: "Write at({ txid: 42 }), at({ timestamp: new Date() }) or at({ timestamp: '5 minutes ago' }).",
    })
  }
  if (id !== undefined) {
    checkArgument(id, 'txid', txid, 'Replica.at')
    return formatTxid(id as number)
  }
  if (timestamp instanceof Date) {
    checkArgument(timestamp.getTime(), 'timestamp', time, 'Replica.at')
    return timestamp.toISOString()
  }
  checkArgument(timestamp, 'timestamp', text, 'Replica.at')
  return timestamp as string
}

/** The last part of the path of a URL without credentials. */
function nameOf(shown: string): string {
  const path = shown.replace(/[?#].*$/s, '').replace(/\/+$/, '')
  return path.replace(/^.*[/@]/s, '') || 'replica'
}

/**
 * Opens a replica. When the promise resolves, its newest state can be read through any driver. Only
 * the indexes of its files are downloaded.
 *
 * Throws REPLICA_EMPTY if the URL has no files after `openTimeout`, INVALID_URL, ACCESS_DENIED,
 * LTX_GAP, LTX_CORRUPT, HYDRATION_CONFLICT.
 *
 * @example
 * const replica = await openReplica('s3://bucket/app.db', { cacheSize: '64MiB' })
 * const db = new Database(replica.uri, { readonly: true })
 * const count = db.prepare('SELECT count(*) FROM users').pluck().get()
 * db.close()
 * await replica.close()
 */
export async function openReplica(url: string, options: OpenReplicaOptions = {}): Promise<Replica> {
  checkArgument(url, 'url', text, 'openReplica')
  checkOptions(options, { ...REPLICA_OPTION_CHECKS, ...waitChecks, driver: isDriver }, 'openReplica')
  const { signal, timeout, driver, ...rest } = options
  signal?.throwIfAborted()
  const key = formatKey(withEnvironment(toParameters(url, rest), process.env))
  const { hydrate } = resolveOptions(key)
  // The worker starts while this thread loads the drivers.
  ensureWorker()
  if (driver === undefined) registerDrivers()
  else await registerDriver(driver)
  const id = native.acquireReplica(key)
  const replica = new Replica(id, key, url, hydrate !== undefined)
  try {
    // The wait does not end with close(): the replica stays open if other handles have it open.
    const open = () => callWorker(id, key, { method: 'open' })
    const opened = await withDeadline(`opening ${replica.url}`, { signal, timeout }, open, { abandon: true })
    if ((opened as { readonly hydrated: boolean }).hydrated) replica.noteHydrated()
    return replica
  } catch (error) {
    await replica.close()
    throw error
  }
}
