import { EventEmitter } from 'node:events'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../../errors.js'
import { appendToUrl } from '../../storage/append-to-url.js'
import { reportOutage, type StoreOutage } from '../../storage/outage.js'
import { eachReplicaBelow } from '../../storage/replicas-below.js'
import { parseReplicaUrl, secretUrl } from '../../storage/url.js'
import { callback, checkArgument, checkOptions, waitChecks } from '../../util/check-arguments.js'
import { formatDuration, milliseconds } from '../../util/duration.js'
import type { Secret } from '../../util/secret.js'
import { startTimer, type Timer } from '../../util/timers.js'
import { type WaitOptions, withDeadline } from '../../util/wait.js'
import { openHandle, type Replica, warnOfDamage } from '../handle/open-replica.js'
import { PoolEntry } from './pool-entry.js'
import { type ReplicaPoolOptions, type ResolvedPoolOptions, resolvePoolOptions } from './pool-options.js'
import { PooledReplica } from './pooled-replica.js'
import { checkReplicaName, replicaNameFault } from './replica-name.js'

/** Counters and the current state of a pool. */
export interface ReplicaPoolStats {
  /** The option `maxOpen`. */
  readonly maxOpen: number
  /** Number of replicas that have a place in the pool: opening, open or closing. */
  readonly open: number
  /** Number of open replicas without users. */
  readonly idle: number
  /** Number of replicas that wait for a place in the pool. */
  readonly waiting: number
  /** Number of openings that succeeded since the pool was created. */
  readonly opened: number
  /** Number of openings that failed, or whose callers all gave up. */
  readonly failed: number
  /** Number of replicas that were closed after `idleTimeout`. */
  readonly expired: number
  /** Number of replicas that were closed to make room for another replica. */
  readonly evicted: number
  /** Number of open connections to the replicas of the pool. */
  readonly readers: number
  /** Size of the page caches of the open replicas in bytes. */
  readonly cacheBytes: number
}

/** The reason why a pool closed a replica. */
export type PoolCloseReason = 'idle' | 'evicted' | 'closed'

interface ReplicaPoolEvents {
  /** Emitted when the pool has opened a replica. */
  open: [{ name: string }]
  /**
   * Emitted when the pool has closed a replica. `reason` has one of three values: `idle` after
   * `idleTimeout`, `evicted` if another replica needed the place, and `closed` if the pool was
   * closed.
   */
  close: [{ name: string; reason: PoolCloseReason }]
  /**
   * Emitted with the name of the replica after a temporary fault of this replica. Errors of
   * acquire() are thrown and not emitted.
   */
  error: [LitestreamError, string]
  /**
   * Emitted with the name of the replica when no poll of this replica has succeeded for longer than
   * `maxStale`.
   */
  stale: [LitestreamError, string]
  /** Emitted with the name of the replica when TXIDs are missing in this replica. */
  gap: [LitestreamError, string]
  /** Emitted with the name of the replica when this replica was reset. */
  reset: [LitestreamError, string]
  /**
   * Emitted with the name of the replica when its store answers no request, and again when the
   * store answers. If the program does not listen to `outage`, an outage causes process warnings
   * about one replica, on behalf of all replicas of the pool.
   */
  outage: [StoreOutage, string]
}

/** Milliseconds until the pool checks again whether idle replicas still have open connections. */
const CONNECTION_CHECK_MS = 100
/** Milliseconds that close() waits for users if the caller passes no `timeout`. */
const CLOSE_TIMEOUT_MS = 30_000
/** Maximum number of names in an error message. */
const SHOWN_NAMES = 5

/**
 * Opens the replicas below one URL prefix on demand, shares each open replica between its users,
 * and closes replicas without users. A replica with open connections has users.
 */
export class ReplicaPool extends EventEmitter<ReplicaPoolEvents> {
  readonly #prefix: Secret
  readonly #options: ResolvedPoolOptions
  /** The replicas that acquire() can return, by name: queued, opening and open ones. */
  readonly #entries = new Map<string, PoolEntry>()
  /** The open replicas without users. The most recently used replica comes first. */
  readonly #idle: LRUCache<string, PoolEntry>
  /** The places of the pool. A task of the queue lasts until its replica is closed. */
  readonly #places: PQueue
  /** The replicas that are about to free their places. */
  readonly #leaving = new Set<PoolEntry>()
  /**
   * The names of the replicas whose store does not answer. The replica with the oldest outage comes
   * first.
   */
  readonly #outages = new Set<string>()
  readonly #counts = { opened: 0, failed: 0, expired: 0, evicted: 0 }
  #connectionCheck: Timer | undefined
  #isClosed = false

  /** The prefix of the pool. The prefix contains no credentials. */
  readonly url: string

  /** @internal Programs call openReplicas(). */
  constructor(prefix: string, options: ReplicaPoolOptions) {
    super()
    this.#options = resolvePoolOptions(options)
    // The prefix itself need not be the URL of a replica, but the prefix with a name appended must
    // be such a URL.
    parseReplicaUrl(appendToUrl(prefix, 'name'))
    this.#prefix = secretUrl(prefix)
    this.url = String(this.#prefix)
    const { maxOpen, idleTimeout } = this.#options
    this.#places = new PQueue({ concurrency: maxOpen })
    this.#idle = new LRUCache({
      max: maxOpen,
      ttl: idleTimeout,
      ttlAutopurge: idleTimeout > 0,
      disposeAfter: (entry, _name, reason) => {
        if (reason === 'expire') this.#onExpired(entry)
      },
    })
  }

  /**
   * Returns a use of the replica `name`. Opens the replica if the replica is not open. The caller
   * must release the use. If all `maxOpen` replicas have users, acquire() waits until one of these
   * replicas has no user.
   *
   * @throws TIMEOUT after `timeout` (default: `acquireTimeout` of the pool). Throws
   *   INVALID_ARGUMENT if the name is invalid, REPLICA_CLOSED if the pool is closed, and
   *   REPLICA_EMPTY if the replica has no files. Also throws the other errors of openReplica(). The
   *   pool does not keep an error, so the next call of acquire() tries to open the replica again.
   *
   * @example
   * const pool = await openReplicas('s3://bucket')
   * const replica = await pool.acquire('app.db')
   * const db = new Database(replica.uri, { readonly: true })
   * const count = db.prepare('SELECT count(*) FROM users').pluck().get()
   * db.close()
   * replica.release()
   * await pool.close()
   */
  async acquire(name: string, waiting: WaitOptions = {}): Promise<PooledReplica> {
    checkReplicaName(name, 'ReplicaPool.acquire')
    checkOptions(waiting, waitChecks, 'ReplicaPool.acquire')
    const { signal, timeout = this.#options.acquireTimeout } = waiting
    signal?.throwIfAborted()
    if (this.#isClosed) throw this.#closedError()
    const entry = this.#claim(name)
    const what = `acquiring ${JSON.stringify(name)} of the pool ${this.url}`
    try {
      const replica = await withDeadline(what, { signal, timeout }, () => entry.opened, { abandon: true })
      return new PooledReplica(name, replica, () => this.#release(entry))
    } catch (error) {
      const isCrowded = entry.state === 'queued' && isLitestreamError(error, 'TIMEOUT')
      this.#release(entry)
      throw isCrowded ? this.#crowdedError(name, milliseconds(timeout)) : error
    }
  }

  /**
   * Calls `work` with the replica `name`, and releases the replica when the promise of `work`
   * settles. Returns the result of `work`.
   *
   * @throws the errors of acquire() and the errors of `work`.
   *
   * @example
   * const pool = await openReplicas('s3://bucket')
   * const count = await pool.use('app.db', (replica) => {
   *   const db = new Database(replica.uri, { readonly: true })
   *   try {
   *     return db.prepare('SELECT count(*) FROM users').pluck().get()
   *   } finally {
   *     db.close()
   *   }
   * })
   * await pool.close()
   */
  async use<T>(name: string, work: (replica: PooledReplica) => T | Promise<T>, waiting: WaitOptions = {}): Promise<T> {
    checkArgument(work, 'work', callback, 'ReplicaPool.use')
    const replica = await this.acquire(name, waiting)
    try {
      return await work(replica)
    } finally {
      replica.release()
    }
  }

  /**
   * Lists the names of the replicas below the prefix. `names` yields a name as soon as the store has
   * listed it, in the order of the store. Omits names that acquire() refuses. The listing costs one or two LIST requests
   * per folder.
   *
   * @throws STORAGE_FAILED if the store has more than 100,000 folders below the prefix, and
   * INVALID_ARGUMENT if the store cannot list replicas. Throws ABORTED if the signal aborts. Also
   * throws errors of the store, such as TIMEOUT.
   *
   * @example
   * const pool = await openReplicas('s3://bucket')
   * for await (const name of pool.names()) console.log(name)
   * await pool.close()
   */
  async *names(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<string> {
    checkOptions(options, { signal: waitChecks.signal }, 'ReplicaPool.names')
    if (this.#isClosed) throw this.#closedError()
    for await (const name of eachReplicaBelow(this.#prefix.reveal(), options)) {
      if (replicaNameFault(name) === undefined) yield name
    }
  }

  /** Returns the counters and the current state of the pool. Does not wait. */
  stats(): ReplicaPoolStats {
    const open = [...this.#entries.values()].filter(({ state }) => state === 'open')
    const stats = open.map(({ replica }) => replica.stats())
    return {
      maxOpen: this.#options.maxOpen,
      open: this.#places.pending,
      idle: this.#idle.size,
      waiting: this.#places.size,
      ...this.#counts,
      readers: stats.reduce((sum, { readers }) => sum + readers, 0),
      cacheBytes: stats.reduce((sum, { cacheBytes }) => sum + cacheBytes, 0),
    }
  }

  /**
   * Closes the pool. Calls of acquire() that still wait fail with REPLICA_CLOSED. `close` waits
   * until all uses are released and all replicas are closed. If the timeout passes or the signal
   * aborts, `close` closes the remaining replicas and then rejects.
   *
   * @throws TIMEOUT after `timeout` (default 30 s). The message of the TIMEOUT error contains the
   * names of the replicas that were in use. Throws the signal's reason if the signal aborts.
   */
  async close(waiting: WaitOptions = {}): Promise<void> {
    checkOptions(waiting, waitChecks, 'ReplicaPool.close')
    const { signal, timeout = CLOSE_TIMEOUT_MS } = waiting
    this.#isClosed = true
    for (const entry of [...this.#entries.values()]) {
      if (entry.state !== 'open') this.#giveUp(entry, this.#closedError())
      else if (entry.users === 0) void this.#closeEntry(entry, 'closed')
    }
    try {
      await withDeadline(`closing the pool ${this.url}`, { signal, timeout }, () => this.#places.onIdle(), {
        abandon: true,
      })
    } catch (error) {
      const inUse = [...this.#entries.values()]
      await Promise.all(inUse.map((entry) => this.#closeEntry(entry, 'closed')))
      throw isLitestreamError(error, 'TIMEOUT') ? this.#inUseError(inUse, milliseconds(timeout)) : error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Adds a user to the replica `name`. If the pool does not have the replica, queues its opening. */
  #claim(name: string): PoolEntry {
    const known = this.#entries.get(name)
    const entry = known ?? new PoolEntry(name)
    entry.addUser()
    this.#idle.delete(name)
    if (known === undefined) {
      this.#entries.set(name, entry)
      // The task rejects only if its signal aborts in the queue. No caller then waits for the task.
      void this.#places.add(() => this.#run(entry), { signal: entry.dequeued }).catch(() => undefined)
      this.#makeRoom()
    }
    return entry
  }

  /** Holds a place of the pool from the opening of a replica until the replica is closed. */
  async #run(entry: PoolEntry): Promise<void> {
    entry.startOpening()
    const replica = await this.#open(entry)
    if (replica !== undefined) {
      this.#onOpened(entry, replica)
      await entry.closed
    } else this.#counts.failed++
    this.#leaving.delete(entry)
  }

  /**
   * Opens a replica. Returns undefined if the opening failed, or if no caller waits for the replica
   * any more.
   */
  async #open(entry: PoolEntry): Promise<Replica | undefined> {
    const url = appendToUrl(this.#prefix.reveal(), entry.name)
    const options = { ...this.#options.each, signal: entry.givenUp }
    try {
      const replica = await openHandle(url, options, { method: 'open', sharesConnections: true })
      if (entry.state === 'opening') return replica
      await replica.close()
    } catch (error) {
      // If the entry has been given up already, no caller waits for the error.
      if (entry.state === 'opening') this.#giveUp(entry, error)
    }
    return undefined
  }

  #onOpened(entry: PoolEntry, replica: Replica): void {
    const { name } = entry
    for (const event of ['stale', 'gap', 'reset'] as const) {
      replica.on(event, (error) => this.emit(event, error, name))
    }
    replica.on('error', (error) => this.#onError(error, name))
    replica.on('outage', (outage) => this.#onOutage(outage, name))
    this.#counts.opened++
    entry.setOpen(replica)
    this.emit('open', { name })
  }

  /**
   * Removes a user. A replica without users becomes idle. If a replica without users is not open
   * yet, the pool does not open it.
   */
  #release(entry: PoolEntry): void {
    entry.removeUser()
    if (entry.users > 0) return
    if (entry.state === 'queued' || entry.state === 'opening') {
      const message = `all callers that waited for ${JSON.stringify(entry.name)} have given up`
      this.#giveUp(entry, new LitestreamError('ABORTED', message))
    } else if (entry.state !== 'open') return
    else if (this.#isClosed) void this.#closeEntry(entry, 'closed')
    else {
      this.#idle.set(entry.name, entry)
      this.#makeRoom()
    }
  }

  /** Ends the wait or the opening of a replica, so that the next acquire() begins a new opening. */
  #giveUp(entry: PoolEntry, error: unknown): void {
    this.#entries.delete(entry.name)
    // An opening keeps its place in the pool until the pool has closed everything that the opening
    // has opened.
    if (entry.state === 'opening') this.#leaving.add(entry)
    entry.giveUp(error)
  }

  /**
   * Closes the least recently used idle replicas until each queued replica gets a place. If only
   * idle replicas with open connections remain, the pool checks them again after
   * CONNECTION_CHECK_MS.
   */
  #makeRoom(): void {
    this.#connectionCheck?.stop()
    for (const entry of [...this.#idle.rvalues()]) {
      if (this.#places.size <= this.#leaving.size) return
      if (entry !== undefined && !entry.hasConnections) void this.#closeEntry(entry, 'evicted')
    }
    if (this.#places.size <= this.#leaving.size || this.#idle.size === 0) return
    this.#connectionCheck = startTimer(CONNECTION_CHECK_MS, () => this.#makeRoom()).unref()
  }

  #onExpired(entry: PoolEntry): void {
    // A replica that still has open connections stays open for another idleTimeout.
    if (entry.hasConnections) this.#idle.set(entry.name, entry)
    else void this.#closeEntry(entry, 'idle')
  }

  /** Closes an open replica and frees its place. Never rejects. */
  async #closeEntry(entry: PoolEntry, reason: PoolCloseReason): Promise<void> {
    const { name, replica } = entry
    this.#entries.delete(name)
    this.#idle.delete(name)
    this.#outages.delete(name)
    this.#leaving.add(entry)
    entry.startClosing()
    if (reason === 'idle') this.#counts.expired++
    if (reason === 'evicted') this.#counts.evicted++
    try {
      await replica.close()
    } catch (error) {
      this.#onError(toLitestreamError(error), name)
    }
    entry.setClosed()
    this.emit('close', { name, reason })
  }

  #onError(error: LitestreamError, name: string): void {
    // An EventEmitter throws if `error` has no listener. A temporary fault must not end the
    // process.
    if (this.listenerCount('error') > 0) this.emit('error', error, name)
    else warnOfDamage(error)
  }

  #onOutage(outage: StoreOutage, name: string): void {
    if (outage.error === undefined) this.#outages.delete(name)
    else this.#outages.add(name)
    if (this.emit('outage', outage, name)) return
    const [first = name] = this.#outages
    if (first === name) reportOutage(outage)
  }

  #closedError(): LitestreamError {
    return new LitestreamError('REPLICA_CLOSED', `the pool ${this.url} was closed`)
  }

  #crowdedError(name: string, timeoutMs: number): LitestreamError {
    const { maxOpen } = this.#options
    const message = `acquiring ${JSON.stringify(name)}: all ${maxOpen} replicas of the pool ${this.url} stayed in use for ${formatDuration(timeoutMs)}`
    return new LitestreamError('TIMEOUT', message, {
      hint: `Release replicas and close their connections sooner, or raise maxOpen (${maxOpen}) or acquireTimeout in the options of the pool.`,
    })
  }

  #inUseError(inUse: readonly PoolEntry[], timeoutMs: number): LitestreamError {
    const names = inUse.slice(0, SHOWN_NAMES).map(({ name }) => JSON.stringify(name))
    const more = inUse.length > SHOWN_NAMES ? `, and ${inUse.length - SHOWN_NAMES} more` : ''
    const message = `closing the pool ${this.url}: after ${formatDuration(timeoutMs)} these replicas were still in use: ${names.join(', ')}${more}`
    return new LitestreamError('TIMEOUT', message, {
      hint: 'Release every replica before you close the pool, or raise the `timeout` of close(). The pool has now closed these replicas.',
    })
  }
}
