import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { startTimer, type Timer } from '../util/timers.js'
import { formatTimestamp } from '../util/timestamp.js'
import { Lease, type LeaseOptions } from './lease.js'

export interface LeaseEvents {
  /** This primary holds the lease and may write to the replica. */
  held(): void
  /** Another primary has taken the lease, and this primary must stop writing. */
  lost(error: LitestreamError): void
  /** A request failed. The keeper retries the request. */
  failed(error: LitestreamError): void
  /**
   * Another program removed or damaged `lock.json`, and this primary wrote it again. `reason` says
   * what happened.
   */
  restored(reason: string): void
}

/**
 * Requests the lease until this primary holds it, and then renews the lease. The keeper sends a
 * request at intervals of a third of the lease duration.
 */
export class LeaseKeeper {
  readonly #lease: Lease
  readonly #client: ReplicaClient
  readonly #every: number
  readonly #events: LeaseEvents
  /**
   * Requests run one at a time. With two concurrent requests, each request would treat the lock
   * object of the other request as the lock object of another primary.
   */
  readonly #requests = new PQueue({ concurrency: 1 })
  #timer: Timer | undefined
  #stopped = false
  /**
   * Whether this primary has held the lease before. If the value is true and another primary holds
   * the lease now, this primary has renewed the lease too late.
   */
  #began = false

  constructor(client: ReplicaClient, options: LeaseOptions, events: LeaseEvents) {
    this.#client = client
    this.#lease = new Lease(client, options)
    this.#every = options.ttl / 3
    this.#events = events
  }

  get held(): boolean {
    return this.#lease.held
  }

  /** Starts requesting the lease, or renewing a lease that this primary already holds. */
  start(): void {
    if (!this.held) void this.#tick()
    else {
      this.#events.held()
      this.#timer = startTimer(this.#every, () => this.#tick())
    }
  }

  /**
   * Acquires the lease immediately. If another primary holds the lease, throws REPLICA_FENCED with
   * the name of the owner.
   */
  ensure(): Promise<void> {
    return this.#requests.add(() => this.#acquire())
  }

  async #acquire(): Promise<void> {
    if (this.#lease.held) return
    const other = await this.#lease.acquire()
    if (!other) {
      this.#began = true
      return
    }
    throw new LitestreamError(
      'REPLICA_FENCED',
      `${this.#client.url}: ${other.owner} has the lease until ${formatTimestamp(other.expiresAt)}`,
      {
        file: this.#client.url,
        hint: 'Wait: this primary takes over automatically when the lease has expired or the other primary has released the lease.',
      },
    )
  }

  async #renewOrAcquire(): Promise<string | undefined> {
    if (this.#began && this.#lease.held) return this.#lease.renew()
    await this.#acquire()
    return undefined
  }

  async #tick(): Promise<void> {
    try {
      const restored = await this.#requests.add(() => this.#renewOrAcquire())
      if (this.#stopped) return
      if (restored) this.#events.restored(restored)
      this.#events.held()
    } catch (error) {
      if (this.#stopped) return
      if (!isLitestreamError(error, 'REPLICA_FENCED')) this.#events.failed(toLitestreamError(error))
      else if (this.#began) {
        this.#stopped = true
        this.#events.lost(error)
      }
    }
    if (!this.#stopped) this.#timer = startTimer(this.#every, () => this.#tick())
  }

  /** Releases the lease. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.stop()
    await this.#requests.add(() => this.#lease.release())
  }
}
