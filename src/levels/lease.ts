import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { z } from 'zod'
import { isLitestreamError, LitestreamError } from '../errors.js'
import type { ReplicaClient, TaggedObject } from '../storage/replica-client.js'

const NAME = 'lock.json'

const schema = z.object({
  /** Grows by one with each owner. */
  generation: z.number(),
  /** RFC 3339. */
  expires_at: z.string(),
  /** `host:pid`, and a random part, since one process may run several primaries. */
  owner: z.string(),
})
type Content = z.infer<typeof schema>

export interface LeaseOptions {
  /** How long it is valid without being renewed, milliseconds. It is renewed after a third of that. */
  readonly ttl: number
  /** The clock, milliseconds since the epoch. */
  readonly now?: () => number
}

export const DEFAULT_LEASE_TTL = 30_000

/**
 * The right to write to a replica, for a time: the object `lock.json`, changed only by compare-and-set. A primary that does not renew
 * it in time has lost it; another one may then take it over. Clocks of two machines may differ by less than the TTL.
 */
export class Lease {
  readonly owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  readonly #client: ReplicaClient
  readonly #ttl: number
  readonly #now: () => number
  #held: { readonly tag: string; readonly generation: number; readonly expiresAt: number } | undefined

  constructor(client: ReplicaClient, { ttl, now = Date.now }: LeaseOptions) {
    this.#client = client
    this.#ttl = ttl
    this.#now = now
  }

  /** Whether it is ours and has not run out, by our clock. */
  get held(): boolean {
    return this.#held !== undefined && this.#now() < this.#held.expiresAt
  }

  /** Who has it instead of us, and until when; undefined once it is ours. */
  async acquire(): Promise<{ readonly owner: string; readonly expiresAt: number } | undefined> {
    const there = await this.#client.getObject(NAME)
    const current = there && parse(there, this.#client.url)
    const expiresAt = current ? Date.parse(current.expires_at) : 0
    if (current && current.owner !== this.owner && this.#now() < expiresAt) return { owner: current.owner, expiresAt }
    try {
      await this.#put((current?.generation ?? 0) + 1, there?.tag ?? null)
      return undefined
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      return { owner: 'another primary that was faster', expiresAt: this.#now() + this.#ttl }
    }
  }

  /** Makes it last longer. Throws REPLICA_FENCED when somebody has taken it. */
  async renew(): Promise<void> {
    const held = this.#held
    if (!held) throw this.#lost('it was not held')
    try {
      await this.#put(held.generation, held.tag)
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED')) throw error
      this.#held = undefined
      const there = await this.#client.getObject(NAME)
      const current = there && parse(there, this.#client.url)
      throw this.#lost(current ? `${current.owner} has it until ${current.expires_at}` : 'it was removed', error)
    }
  }

  /** Gives it back, so that the next one need not wait until it has run out. */
  async release(): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (!held) return
    try {
      await this.#client.deleteObject(NAME, held.tag)
    } catch (error) {
      if (!isLitestreamError(error, 'PRECONDITION_FAILED', 'NOT_FOUND')) throw error
    }
  }

  async #put(generation: number, ifTag: string | null): Promise<void> {
    // Counted from before the request: what the store has may last longer than we think, never shorter.
    const expiresAt = this.#now() + this.#ttl
    const content: Content = { generation, expires_at: new Date(expiresAt).toISOString(), owner: this.owner }
    const tag = await this.#client.putObject(NAME, Buffer.from(JSON.stringify(content)), ifTag)
    this.#held = { tag, generation, expiresAt }
  }

  #lost(how: string, cause?: unknown): LitestreamError {
    return new LitestreamError('REPLICA_FENCED', `${this.#client.url}: the lease is lost: ${how}`, {
      file: this.#client.url,
      hint: 'The other primary writes to the replica now; restart this one to wait for its turn.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

function parse({ data }: TaggedObject, url: string): Content {
  const text = Buffer.from(data).toString('utf8')
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new LitestreamError('STORAGE_FAILED', `${url}: ${NAME} is not a lease: ${text.slice(0, 200)}`, {
      file: `${url}/${NAME}`,
      hint: 'Delete the object if no primary writes to this replica.',
      cause,
    })
  }
}
