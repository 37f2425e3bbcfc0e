import { LitestreamError } from '../../errors.js'
import { Pending } from '../../util/pending.js'
import type { Replica } from '../handle/open-replica.js'

/**
 * One replica of a pool. The entry exists from the first call of acquire() until the pool closes
 * the replica. `queued` waits for a place in the pool. `given-up` means that no caller waits for
 * the entry any more, or that the opening failed.
 */
export type EntryState = 'queued' | 'opening' | 'open' | 'closing' | 'given-up'

/** The state and the users of one replica of a pool. */
export class PoolEntry {
  readonly #opened = new Pending<Replica>()
  readonly #closed = new Pending<void>()
  readonly #giveUp = new AbortController()
  /** Aborts only while the entry is queued, because a queue frees the place of an aborted task. */
  readonly #dequeue = new AbortController()
  #state: EntryState = 'queued'
  #replica: Replica | undefined
  #users = 0

  constructor(readonly name: string) {
    // Each caller that still waits for the replica gets the error. Possibly no caller waits any
    // more.
    this.opened.catch(() => undefined)
  }

  /** Resolves with the open replica, or rejects with the error of the opening. */
  get opened(): Promise<Replica> {
    return this.#opened.promise
  }

  /** Resolves when the replica was closed. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  get state(): EntryState {
    return this.#state
  }

  /** Number of uses, and of callers that wait for the opening. */
  get users(): number {
    return this.#users
  }

  /** The signal that ends the wait in the queue. */
  get dequeued(): AbortSignal {
    return this.#dequeue.signal
  }

  /** The signal that ends the opening. */
  get givenUp(): AbortSignal {
    return this.#giveUp.signal
  }

  /** The open replica. Throws if the entry has no open replica. */
  get replica(): Replica {
    if (this.#replica === undefined) throw new LitestreamError('INTERNAL', `${this.name} is not open`)
    return this.#replica
  }

  /** Whether connections to the replica are open. */
  get hasConnections(): boolean {
    return this.#state === 'open' && this.replica.stats().readers > 0
  }

  addUser(): void {
    this.#users++
  }

  removeUser(): void {
    this.#users--
  }

  startOpening(): void {
    this.#state = 'opening'
  }

  setOpen(replica: Replica): void {
    this.#state = 'open'
    this.#replica = replica
    this.#opened.resolve(replica)
  }

  /** Ends the wait or the opening. Callers that still wait for the replica get `error`. */
  giveUp(error: unknown): void {
    const wasQueued = this.#state === 'queued'
    this.#state = 'given-up'
    this.#opened.reject(error)
    if (wasQueued) this.#dequeue.abort(error)
    this.#giveUp.abort(error)
  }

  startClosing(): void {
    this.#state = 'closing'
  }

  setClosed(): void {
    this.#closed.resolve()
  }
}
