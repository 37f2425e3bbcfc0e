import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { isLitestreamError, LitestreamError } from '../errors.js'
import type { ReplicaClient, TaggedObject } from '../storage/replica-client.js'
import { requireGuarantees } from '../storage/write-guarantees.js'
import { type Clock, systemClock } from '../util/clock.js'
import { dateTime, record, type Shaped, text, tryReadJson, whole } from '../util/json-shape.js'
import { OtherLease } from './other-lease.js'

const LEASE_NAME = 'lock.json'

const shape = record({
  /** Grows by one with each owner. */
  generation: whole(0),
  /** RFC 3339. */
  expires_at: dateTime,
  /** `host:pid`, and a random part, since one process may run several primaries. */
  owner: text,
})
type Content = Shaped<typeof shape>

export interface LeaseOptions {
  /**
   * How long the lease is valid without renewal, in milliseconds. The lease is renewed after a
   * third of that time.
   */
  readonly ttl: number
  readonly clock?: Clock
}

/** Another primary that holds the lease. */
export interface LeaseOwner {
  readonly owner: string
  /** Expiry by that primary's wall clock, in milliseconds since the epoch. */
  readonly expiresAt: number
}

/**
 * The right to write to a replica for a limited time: the object `lock.json`, changed only by
 * compare-and-set. A primary that does not renew the lease in time loses it, and another one may
 * take it. The monotonic clock measures how long our own lease lasts, and how long another
 * primary's stays unchanged (see OtherLease).
 */
export class Lease {
  readonly owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  readonly #client: ReplicaClient
  readonly #ttl: number
  readonly #clock: Clock
  readonly #other: OtherLease
  /** No call has found another owner's lease yet. */
  #isFirst = true
  /** `until`: by the monotonic clock. */
  #held: { readonly tag: string; readonly generation: number; readonly until: number } | undefined

  constructor(client: ReplicaClient, { ttl, clock = systemClock }: LeaseOptions) {
    this.#client = client
    this.#ttl = ttl
    this.#clock = clock
    this.#other = new OtherLease(ttl, clock)
  }

  /** Whether this primary holds the lease and it has not expired. */
  get held(): boolean {
    return this.#held !== undefined && this.#clock.monotonic() < this.#held.until
  }

  /**
   * Takes the lease. Returns the primary that holds it instead, or undefined if this one holds it
   * now. Throws STORAGE_FAILED if the store does not enforce conditional writes.
   */
  async acquire(): Promise<LeaseOwner | undefined> {
    await requireGuarantees(this.#client, 'a lease', ['createOnly', 'compareAndSet'])
    // Usually no lease exists: creating it without reading it first saves a request.
    if (this.#isFirst && (await this.#tryPut(1, null))) return undefined
    this.#isFirst = false
    const there = await this.#client.getObject(LEASE_NAME)
    const current = there && parse(there)
    if (there && current?.owner !== this.owner) {
      const expiresAt = current && Date.parse(current.expires_at)
      if (!this.#other.hasExpired(there.tag, expiresAt)) {
        const unknown = `an unknown primary (${LEASE_NAME} is damaged)`
        return { owner: current?.owner ?? unknown, expiresAt: expiresAt ?? this.#clock.now() + this.#ttl }
      }
    }
    if (await this.#tryPut((current?.generation ?? 0) + 1, there?.tag ?? null)) return undefined
    return { owner: 'another primary that was faster', expiresAt: this.#clock.now() + this.#ttl }
  }

  /** Writes the lease; false if another primary was faster. */
  async #tryPut(generation: number, ifTag: string | null): Promise<boolean> {
    try {
      await this.#put(generation, ifTag)
      return true
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      return false
    }
  }

  /**
   * Extends the lease. If `lock.json` had to be written again, returns why. Throws REPLICA_FENCED
   * if another primary has taken the lease.
   */
  async renew(): Promise<string | undefined> {
    const held = this.#held
    if (!held) throw this.#lost('this primary did not hold it')
    try {
      await this.#put(held.generation, held.tag)
      return undefined
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      return this.#restore(held.generation, error)
    }
  }

  /**
   * Handles a `lock.json` that differs from the last one written: another primary's, our own after
   * a lost response, or a removed or damaged one.
   */
  async #restore(generation: number, cause: LitestreamError): Promise<string | undefined> {
    const there = await this.#client.getObject(LEASE_NAME)
    const current = there && parse(there)
    const mine = current?.owner === this.owner
    if (this.held && (mine || !current)) {
      try {
        await this.#put(mine ? generation : generation + 1, there?.tag ?? null)
        return mine ? undefined : `${LEASE_NAME} was ${there ? 'damaged' : 'removed'}`
      } catch (error) {
        if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      }
    }
    this.#held = undefined
    const how = there ? `${LEASE_NAME} is damaged` : 'it was removed'
    throw this.#lost(current ? `${current.owner} has it until ${current.expires_at}` : how, cause)
  }

  /** Releases the lease, so that the next owner need not wait until it expires. */
  async release(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (!held) return
    try {
      await this.#client.deleteObject(LEASE_NAME, held.tag)
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND')) throw error
    }
  }

  async #put(generation: number, ifTag: string | null): Promise<void> {
    // Counted from before the request: the lease in the store may last longer than this, never
    // shorter.
    const until = this.#clock.monotonic() + this.#ttl
    const expiresAt = new Date(this.#clock.now() + this.#ttl).toISOString()
    const content: Content = { generation, expires_at: expiresAt, owner: this.owner }
    const tag = await this.#client.putObject(LEASE_NAME, Buffer.from(JSON.stringify(content)), ifTag)
    this.#held = { tag, generation, until }
  }

  #lost(how: string, cause?: unknown): LitestreamError {
    return new LitestreamError('REPLICA_FENCED', `${this.#client.url}: the lease is lost: ${how}`, {
      file: this.#client.url,
      hint: 'The primary that holds the lease writes to the replica now. If this one is to write, stop that primary and restart this one, which waits for the lease.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** Undefined if the object is not a lease. */
function parse({ data }: TaggedObject): Content | undefined {
  return tryReadJson(shape, Buffer.from(data).toString('utf8'))
}
