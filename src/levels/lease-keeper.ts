import PQueue from 'p-queue'
import { isLitestreamError, LitestreamError, toLitestreamError } from '../errors.js'
import type { ReplicaClient } from '../storage/replica-client.js'
import { startTimer, type Timer } from '../util/timers.js'
import { formatTimestamp } from '../util/timestamp.js'
import { Lease, type LeaseOptions } from './lease.js'

export interface LeaseEvents {
  /** This primary holds the lease: work may begin. */
  held(): void
  /** Another primary has taken the lease: work must end. */
  lost(error: LitestreamError): void
  /** The store did not respond; the request is retried. */
  failed(error: LitestreamError): void
  /** `lock.json` was removed or damaged, as `reason` says, and was written again. */
  restored(reason: string): void
}

/**
 * Requests a lease until it is held, and then renews it; both at intervals of a third of its
 * duration.
 */
export class LeaseKeeper {
  readonly #lease: Lease
  readonly #client: ReplicaClient
  readonly #every: number
  readonly #events: LeaseEvents
  /**
   * Only one request runs at a time: of two requests of this primary, each would take the other for
   * that of another owner.
   */
  readonly #requests = new PQueue({ concurrency: 1 })
  #timer: Timer | undefined
  #stopped = false
  /**
   * The lease was held at least once: another owner from now on means that the renewal was too
   * late.
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

  /** Begins to request the lease, or, if it is held, to renew it. */
  start(): void {
    if (!this.held) void this.#tick()
    else {
      this.#events.held()
      this.#timer = startTimer(this.#every, () => this.#tick())
    }
  }

  /** Takes the lease now. Throws REPLICA_FENCED, naming the owner, if another primary holds it. */
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
        hint: 'Wait: this primary takes over automatically when that lease has expired or its owner has released it.',
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
