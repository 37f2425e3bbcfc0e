import { LitestreamError } from '../../errors.js'
import type { WaitOptions } from '../../util/wait.js'
import type { Replica, ReplicaMoment, ReplicaStats, ReplicaTarget, WorkerStats } from '../handle/open-replica.js'
import type { PrefetchOptions } from '../handle/prefetch-queries.js'

/**
 * One use of a replica of a pool. acquire() returns this object. All uses of one name share one
 * open replica. The pool keeps the replica open until every use is released. The members of a
 * PooledReplica have the same meaning as those of `Replica`, and throw REPLICA_CLOSED after the
 * release.
 */
export class PooledReplica {
  readonly #replica: Replica
  readonly #release: () => void
  #isReleased = false

  /**
   * The name of the replica. The name is the path of the replica relative to the prefix of the
   * pool.
   */
  readonly name: string

  /** @internal Programs call ReplicaPool.acquire(). */
  constructor(name: string, replica: Replica, release: () => void) {
    this.name = name
    this.#replica = replica
    this.#release = release
  }

  /** The URL of the replica. The URL contains no credentials. */
  get url(): string {
    return this.#replica.url
  }

  /** The URI that a program passes to a driver as the file name of the database. */
  get uri(): string {
    return this.#used().uri
  }

  /** TXID of the newest state of the replica that can be read. */
  get txid(): number {
    return this.#used().txid
  }

  /** The time at which the primary wrote the newest state that can be read. */
  get timestamp(): Date {
    return this.#used().timestamp
  }

  /** Milliseconds since the last successful poll began. */
  get lagMs(): number {
    return this.#used().lagMs
  }

  /**
   * Returns the counters of all connections of this process to the replica, including those of
   * other uses.
   */
  stats(): ReplicaStats {
    return this.#used().stats()
  }

  /** Resolves with the counters of the replica worker for this replica. */
  async workerStats(waiting: WaitOptions = {}): Promise<WorkerStats> {
    return this.#used().workerStats(waiting)
  }

  /** Resolves with an earlier state of the replica, as `Replica.at` does. */
  async at(target: ReplicaTarget, waiting: WaitOptions = {}): Promise<ReplicaMoment> {
    return this.#used().at(target, waiting)
  }

  /** Runs a query on a separate thread to prefetch the pages of the query. */
  async prefetch(sql: string, options: PrefetchOptions & Pick<WaitOptions, 'timeout'> = {}): Promise<void> {
    await this.#used().prefetch(sql, options)
  }

  /** Polls the store immediately, and resolves with the newest TXID after the poll. */
  async refresh(waiting: WaitOptions = {}): Promise<number> {
    return this.#used().refresh(waiting)
  }

  /**
   * Ends this use. Before you call `release`, close the connections that you have opened with the
   * `uri` of this PooledReplica. The pool does not close a replica with open connections. Further
   * calls have no effect.
   */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }

  #used(): Replica {
    if (!this.#isReleased) return this.#replica
    throw new LitestreamError('REPLICA_CLOSED', `${this.url}: this use of the replica was released`, {
      hint: 'Call acquire() again.',
    })
  }
}
