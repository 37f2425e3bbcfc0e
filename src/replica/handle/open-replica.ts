import { EventEmitter } from 'node:events'
import { deserializeError, LitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { native } from '../../native/addon.js'
import type { ReadAheadStats } from '../../native/read-ahead.js'
import { type ExtensionLoader, isDriverClass } from '../../sqlite/driver-class.js'
import { reportOutage, type StoreOutage } from '../../storage/outage.js'
import { isDoubtfulUrl, redactUrl, secretsOfUrl } from '../../storage/shown-url.js'
import { checkArgument, checkOptions, text, time, txid, waitChecks } from '../../util/check-arguments.js'
import { monotonicMs } from '../../util/monotonic.js'
import { Secret } from '../../util/secret.js'
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
  /** Number of pages that connections read from memory or from the local copy. */
  readonly hits: number
  /** Number of pages that connections requested from the replica worker. */
  readonly misses: number
  /**
   * Number of requests to the replica worker. The replica worker runs JavaScript. `crossings` grows
   * only on a miss.
   */
  readonly crossings: number
  /** Number of open connections. */
  readonly readers: number
  /** Size of the page cache in bytes. */
  readonly cacheBytes: number
  /** Page size of the database in bytes, or 0 before the first state of the replica was read. */
  readonly pageSize: number
  /** Size of the database in pages. */
  readonly commit: number
  /** Fraction of the pages that are in the local copy, 0 to 1. */
  readonly hydration: number
  /** Numbers of prefetched pages, for each kind of prefetch and each outcome. */
  readonly readAhead: ReadAheadStats
}

/** Counters of the replica worker for requests to the store, prefetched pages, views and writes. */
export interface WorkerStats {
  readonly fetch: {
    readonly requests: number
    readonly bytes: number
    readonly pagesWanted: number
    readonly pagesAhead: number
    readonly aheadJoined: number
    /**
     * Number of requests that were sent a second time because the first response was slow.
     * `hedgesWon` counts the second requests that responded before the first request.
     */
    readonly hedged: number
    readonly hedgesWon: number
  }
  /** Number of pages that the worker is fetching. */
  readonly underWay: number
  /** Requests to the store by kind. The kinds are LIST, GET, PUT, DELETE and HEAD. */
  readonly storage: Record<
    string,
    { requests: number; errors: number; retries: number; bytes: number; seconds: number }
  >
  /**
   * Counters of the commits of this process, or undefined if the replica was not opened for
   * writing.
   */
  readonly writes?: {
    readonly commits: number
    /** Number of LTX files written to the store. */
    readonly uploads: number
    /** Number of commits that are not in the store yet. */
    readonly pending: number
    /** Number of transactions that were rolled back because another writer committed first. */
    readonly conflicts: number
    /** Number of uploads whose outcome was unknown until a later request determined the outcome. */
    readonly ambiguous: number
    readonly pages: number
    /** Total size of the written LTX files in bytes. */
    readonly bytes: number
  }
  /** Number of states of the replica (views) that are in memory. */
  readonly views: number
  /** Number of pages in the page cache. */
  readonly pagesCached: number
  /** Memory of the page map in bytes. */
  readonly indexBytes: number
  /** Number of LTX files that the reader tracks. */
  readonly files: number
}

/** An earlier state of a replica. */
export type ReplicaTarget =
  /** `txid` selects the state of the database after this transaction. */
  | { readonly txid: number }
  /**
   * `timestamp` selects the last state of the database before this time. A `timestamp` is a Date,
   * an RFC 3339 string, or a text such as "5 minutes ago".
   */
  | { readonly timestamp: Date | string }

/** An earlier state of a replica. Connections can be opened at this state. */
export interface ReplicaMoment {
  /** TXID of this state of the replica. */
  readonly txid: number
  /** The time at which the primary wrote this state of the replica. */
  readonly timestamp: Date
  /** The URI with which a driver opens connections at this state of the replica. */
  readonly uri: string
}

interface ReplicaEvents {
  /** Emitted when connections can read a newer TXID. */
  advance: [{ txid: number; timestamp: Date }]
  /**
   * Emitted when no poll has succeeded for longer than maxStale. While a replica is stale, reads
   * fail until a poll succeeds.
   */
  stale: [LitestreamError]
  /** Emitted when TXIDs are missing in the replica. */
  gap: [LitestreamError]
  /** Emitted when the replica was reset. Reads continue with the new contents of the replica. */
  reset: [LitestreamError]
  /** Emitted when the local copy is complete. */
  hydrated: [{ path: string }]
  /**
   * Emitted when the store has a new LTX file. `commits` is the number of commits of this process
   * in that file.
   */
  commit: [{ txid: number; commits: number; bytes: number }]
  /**
   * Emitted when a transaction of this process was rolled back because another writer committed
   * first.
   */
  conflict: [LitestreamError]
  /**
   * Emitted when another writer has taken the lease. The next transaction of this process requests
   * the lease again.
   */
  fenced: [LitestreamError]
  /**
   * Emitted when the store answers no request, and again when the store answers. The worker retries
   * the requests (see `openReplicaClient`). If the program does not listen to `outage`, an outage
   * causes a process warning.
   */
  outage: [StoreOutage]
  /**
   * Emitted after a temporary fault. After the event `error`, reads of available pages continue.
   */
  error: [LitestreamError]
  /** Emitted when the Replica was closed. */
  closed: []
}

/** Interval in milliseconds at which close() checks whether the worker still exists. */
const WORKER_CHECK_MS = 100

/**
 * A replica that this process has open. All connections to `uri`, on all threads, share the page
 * index, the page cache and the poll loop of the replica.
 */
export class Replica extends EventEmitter<ReplicaEvents> {
  readonly #id: number
  readonly #key: string
  readonly #stop: () => void
  readonly #hydrates: boolean
  #hydrated: Promise<void> | undefined
  /**
   * Whether the local copy was ever complete. The event `hydrated` is emitted only once, when the
   * local copy is complete for the first time. The event may come before the program calls
   * `whenHydrated`.
   */
  #wasHydrated = false
  #closed = false
  #closing: Promise<void> | undefined
  #workerClosed: (() => void) | undefined

  /** The URL of the replica. The URL contains no credentials. */
  readonly url: string
  /** The URI that a program passes to a driver as the file name of the database. */
  readonly uri: string

  /** @internal Programs call openReplica(). */
  constructor(id: number, key: string, url: Secret, hydrates: boolean) {
    super()
    this.#id = id
    this.#key = key
    this.#hydrates = hydrates
    this.url = String(url)
    // The URI contains no credentials, because drivers print the name of a database. Native code
    // keeps the credentials in the key of the replica. A driver that reads no URIs takes the URI
    // for a path. A driver whose SQLite has no `litestream` VFS also takes the URI for a path. The
    // folder in this path does not exist, so a driver that takes the URI for a path fails instead
    // of creating an empty file.
    this.uri = `file:litestream-replica/${encodeURIComponent(nameOf(this.url))}?vfs=litestream&replica_id=${id}`
    this.#stop = onSessionEvent(id, (event) => this.#onEvent(event))
  }

  /** TXID of the newest state of the replica that can be read. */
  get txid(): number {
    return this.#info().txid ?? 0
  }

  /** The time at which the primary wrote the newest state that can be read. */
  get timestamp(): Date {
    return new Date(this.#info().timestamp ?? 0)
  }

  /**
   * The code and the message of the latest error of this replica. The text is empty if no error
   * occurred.
   *
   * @internal
   */
  get lastError(): string {
    return this.#info().error
  }

  /**
   * Milliseconds since the last successful poll began, or Infinity before the first poll. Reads are
   * behind the primary by at most `lagMs`.
   */
  get lagMs(): number {
    const { contact } = this.#info()
    return contact === 0 ? Number.POSITIVE_INFINITY : Math.max(0, monotonicMs() - contact)
  }

  /** Returns the counters of the connections of this process. Does not wait for the worker. */
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

  /** @internal Records that the local copy was complete. */
  noteHydrated(): void {
    this.#wasHydrated = true
  }

  /**
   * Resolves with the counters of the replica worker for requests, prefetched pages, views and
   * writes.
   */
  async workerStats(waiting: WaitOptions = {}): Promise<WorkerStats> {
    this.#info()
    return (await this.#wait('reading the statistics', waiting, { method: 'stats' })) as WorkerStats
  }

  /**
   * Resolves when the local copy is complete. Resolves immediately if the replica has no local
   * copy. Rejects with REPLICA_CLOSED if the replica is closed first, and with the signal's reason
   * if the signal aborts.
   */
  async whenHydrated(waiting: WaitOptions = {}): Promise<void> {
    this.#hydrated ??= this.#awaitHydration()
    const hydrated = this.#hydrated
    await withDeadline(`filling the local copy of ${this.url}`, waiting, () => hydrated, { abandon: true })
  }

  /**
   * Resolves with an earlier state of the replica. The target of `at` is `{ txid }` or `{ timestamp
   * }`. `{ timestamp }` means the last state before that time (a Date, an RFC 3339 string, "5
   * minutes ago"). A program may pass the resulting `uri` to a driver any number of times.
   * Connections to the `uri` of an earlier state stay at this state. Connections to the `uri` of
   * the Replica continue with new states.
   *
   * Throws TXID_NOT_AVAILABLE if retention has removed the necessary files. Throws INVALID_ARGUMENT
   * if the target is invalid, and the signal's reason if the signal aborts.
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
   * Runs a query on a separate thread to prefetch the pages of the query. When the program then
   * runs the same query, the query's pages are in memory and the query does not block the event
   * loop. `prefetch` discards the rows of the query.
   *
   * Throws INVALID_ARGUMENT if `sql` is not a query, and the signal's reason if the signal aborts.
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
   * Polls the store immediately, and resolves with the newest TXID after the poll. If the signal
   * aborts, `refresh` rejects with the signal's reason.
   */
  async refresh(waiting: WaitOptions = {}): Promise<number> {
    this.#info()
    return (await this.#wait('polling', waiting, { method: 'refresh' })) as number
  }

  /**
   * Resolves with the worker's answer. Rejects when the caller's signal aborts or the caller's
   * timeout has passed.
   */
  #wait(what: string, waiting: WaitOptions, call: Parameters<typeof callWorker>[2]): Promise<unknown> {
    const work = () => callWorker(this.#id, this.#key, call)
    return withDeadline(`${what} of ${this.url}`, waiting, work, { abandon: true })
  }

  /**
   * Resolves when every commit of this process is in the store. If the signal aborts, `flush`
   * rejects with the signal's reason.
   */
  async flush(waiting: WaitOptions = {}): Promise<void> {
    this.#info()
    await this.#wait('uploading commits', waiting, { method: 'flush' })
  }

  /**
   * Closes this Replica. The replica stays open in the worker until its connections are closed. If
   * no connection is open, `close` resolves when the requests of the replica have ended and the
   * local copy is durable. A signal or `timeout` ends only the caller's wait for `close`.
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
      // The timer also keeps the process alive until the worker has closed the replica. If the
      // worker has exited, the replica is closed already.
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
    // The timer keeps the process alive during the wait, because the worker and its channel do not
    // keep the process alive.
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
   * Emits the event `error` only if the program listens to `error`. An EventEmitter throws if
   * `error` has no listener. A temporary fault of a background loop must not end the process.
   */
  #onError(error: LitestreamError): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    else warnOfDamage(error)
  }

  #onOutage(outage: StoreOutage): void {
    if (!this.emit('outage', outage)) reportOutage(outage)
  }

  /**
   * Returns the worker's message, and adds the URL of the replica to a message that contains no
   * URL.
   */
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

/**
 * Emits a process warning for an error about damage, because a user must repair the damage. Handles
 * errors for which the program has no listener. While the replica is being opened, the program has
 * no listeners for its events yet.
 *
 * @internal
 */
export function warnOfDamage(error: LitestreamError): void {
  if (error.code !== 'LTX_CORRUPT' && error.code !== 'HYDRATION_CONFLICT') return
  process.emitWarning(`${error.message}. ${error.hint}`, { code: error.code, type: 'LitestreamWarning' })
}

/**
 * `signal` and `timeout` can end the opening of the replica. `signal` and `timeout` do not affect
 * an open replica.
 */
export interface OpenReplicaOptions extends ReplicaOptions, WaitOptions {
  /**
   * The SQLite driver that reads the replica. The option `driver` is the driver's class (`Database`
   * of better-sqlite3, `DatabaseSync` of node:sqlite) or one of its connections. The option
   * `driver` is required if the program uses a copy of better-sqlite3 that this package does not
   * find. The package searches for better-sqlite3 in its own installation folder and among the
   * modules that this thread has loaded.
   */
  readonly driver?: ReplicaDriver
}

/**
 * Returns undefined if `value` is valid for the option `driver`. If `value` is invalid, returns a
 * text with the valid values.
 */
export function isDriver(value: unknown): string | undefined {
  const loads = typeof (value as Partial<ExtensionLoader> | null)?.loadExtension === 'function'
  return loads || isDriverClass(value)
    ? undefined
    : 'the class or a connection of an SQLite driver, with the method loadExtension'
}

/**
 * Returns a target of `at` as text for the worker. Throws INVALID_ARGUMENT if the target is
 * invalid.
 */
function targetText(target: unknown): string {
  const given = typeof target === 'object' && target !== null ? (target as Record<string, unknown>) : {}
  const { txid: id, timestamp } = given
  if (Object.keys(given).length !== 1 || (id === undefined && timestamp === undefined)) {
    throw new LitestreamError('INVALID_ARGUMENT', 'Replica.at: target must be { txid } or { timestamp }', {
      hint: "Call at({ txid: 42 }), at({ timestamp: new Date() }) or at({ timestamp: '5 minutes ago' }).",
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

/**
 * Returns a URL whose printed form depends on whether the URL is valid. Other URLs are not parsed
 * on this thread, because the code for all stores would delay the first row.
 */
async function parsedUrl(url: string): Promise<Secret> {
  const { secretUrl } = await import('../../storage/url.js')
  return secretUrl(url)
}

/** Returns the last part of the path of a URL. The URL must contain no credentials. */
function nameOf(shown: string): string {
  const path = shown.replace(/[?#].*$/s, '').replace(/\/+$/, '')
  return path.replace(/^.*[/@]/s, '') || 'replica'
}

/**
 * Opens a replica. When the promise resolves, any driver can read the newest state of the replica.
 * `openReplica` downloads the page indexes of the LTX files, but no pages. From a snapshot with a
 * page index of more than 4 MiB, `openReplica` downloads only the end of the page index.
 *
 * Throws REPLICA_EMPTY if the URL has no files after `openTimeout`. Throws INVALID_URL if the URL
 * is not a valid replica URL, and ACCESS_DENIED if the store refuses access. Throws LTX_GAP if the
 * TXIDs of the files have a gap, and LTX_CORRUPT if a file is damaged. Throws HYDRATION_CONFLICT if
 * another replica or process uses the local copy.
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
  return openHandle(url, options, { method: 'open' })
}

/**
 * Opens a replica with options that the caller has checked. `call` is the first call to the worker.
 *
 * @internal
 */
export async function openHandle(
  url: string,
  options: OpenReplicaOptions,
  call: { readonly method: 'open'; readonly sharesConnections?: boolean },
): Promise<Replica> {
  const { signal, timeout, driver, ...rest } = options
  signal?.throwIfAborted()
  const key = formatKey(withEnvironment(toParameters(url, rest), process.env))
  const { hydrate } = resolveOptions(key)
  // The worker thread is started before the drivers are loaded, so that both happen at the same
  // time.
  ensureWorker()
  if (driver === undefined) registerDrivers()
  else await registerDriver(driver)
  const shown = isDoubtfulUrl(url) ? await parsedUrl(url) : new Secret(url, redactUrl(url), secretsOfUrl(url))
  const id = native.acquireReplica(key)
  const replica = new Replica(id, key, shown, hydrate !== undefined)
  try {
    // If this Replica is closed, the wait for the worker continues, because the worker also opens
    // the replica for other handles.
    const open = () => callWorker(id, key, call)
    const opened = await withDeadline(`opening ${replica.url}`, { signal, timeout }, open, { abandon: true })
    if ((opened as { readonly hydrated: boolean }).hydrated) replica.noteHydrated()
    return replica
  } catch (error) {
    await replica.close()
    throw error
  }
}
