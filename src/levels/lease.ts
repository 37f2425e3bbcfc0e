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
  /** A number that each new owner of the lease increases by one. */
  generation: whole(0),
  /** Expiry time in RFC 3339 format. */
  expires_at: dateTime,
  /**
   * `host:pid` and a random suffix. The suffix is needed because one process may run several
   * primaries.
   */
  owner: text,
})
type Content = Shaped<typeof shape>

export interface LeaseOptions {
  /**
   * Time in milliseconds for which the lease is valid without renewal. The primary renews the lease
   * after a third of `ttl`.
   */
  readonly ttl: number
  readonly clock?: Clock
}

/** Another primary that holds the lease. */
export interface LeaseOwner {
  readonly owner: string
  /** Expiry time according to the other primary's wall clock, in milliseconds since the epoch. */
  readonly expiresAt: number
}

/**
 * The right to write to a replica for a limited time. The lease is the object `lock.json`, which is
 * changed only with compare-and-set. If a primary does not renew its lease in time, another primary
 * may take the lease. The monotonic clock measures how long this primary's lease is valid, and how
 * long another primary's lease stays unchanged (see OtherLease).
 */
export class Lease {
  readonly owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  readonly #client: ReplicaClient
  readonly #ttl: number
  readonly #clock: Clock
  readonly #other: OtherLease
  /** True until `acquire` has found a lease of another primary. */
  #isFirst = true
  /** `until` is the expiry time on the monotonic clock. */
  #held: { readonly tag: string; readonly generation: number; readonly until: number } | undefined

  constructor(client: ReplicaClient, { ttl, clock = systemClock }: LeaseOptions) {
    this.#client = client
    this.#ttl = ttl
    this.#clock = clock
    this.#other = new OtherLease(ttl, clock)
  }

  /** Whether this primary holds the lease and the lease has not expired. */
  get held(): boolean {
    return this.#held !== undefined && this.#clock.monotonic() < this.#held.until
  }

  /**
   * Acquires the lease. Returns undefined if this primary now holds the lease. If another primary
   * holds the lease, returns that primary. Throws STORAGE_FAILED if the store does not enforce
   * conditional writes.
   */
  async acquire(): Promise<LeaseOwner | undefined> {
    await requireGuarantees(this.#client, 'a lease', ['createOnly', 'compareAndSet'])
    // Usually no lease exists, so the first request tries to create `lock.json` without reading the
    // object before.
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
    return { owner: 'another primary that took the lease at the same moment', expiresAt: this.#clock.now() + this.#ttl }
  }

  /** Writes the lease object. Returns false if another primary changed `lock.json` first. */
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
   * Renews the lease. Returns the reason if `lock.json` was missing or damaged and had to be
   * written again. Throws REPLICA_FENCED if another primary has taken the lease.
   */
  async renew(): Promise<string | undefined> {
    const held = this.#held
    if (!held) throw this.#lost('this primary does not hold the lease')
    try {
      await this.#put(held.generation, held.tag)
      return undefined
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      return this.#restore(held.generation, error)
    }
  }

  /**
   * Called if `lock.json` is not the object that this primary wrote last. Possible reasons are that
   * another primary has taken the lease, that a program removed or damaged the object, or that this
   * primary wrote the object but did not get the response.
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
    const how = there ? `${LEASE_NAME} is damaged` : `${LEASE_NAME} was removed`
    throw this.#lost(current ? `${current.owner} has the lease until ${current.expires_at}` : how, cause)
  }

  /** Releases the lease, so that the next owner does not have to wait until the lease expires. */
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
    // `until` is calculated from a time before the request, so `until` is never later than the
    // expiry time in the lease object.
    const until = this.#clock.monotonic() + this.#ttl
    const expiresAt = new Date(this.#clock.now() + this.#ttl).toISOString()
    const content: Content = { generation, expires_at: expiresAt, owner: this.owner }
    const tag = await this.#client.putObject(LEASE_NAME, Buffer.from(JSON.stringify(content)), ifTag)
    this.#held = { tag, generation, until }
  }

  #lost(how: string, cause?: unknown): LitestreamError {
    return new LitestreamError('REPLICA_FENCED', `${this.#client.url}: the lease is lost: ${how}`, {
      file: this.#client.url,
      hint: 'Another primary holds the lease and writes to the replica. To use this primary instead, stop the other primary, then restart this primary.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** Parses a lease object. Returns undefined if the lease object is damaged. */
function parse({ data }: TaggedObject): Content | undefined {
  return tryReadJson(shape, Buffer.from(data).toString('utf8'))
}
