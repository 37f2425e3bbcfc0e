import PQueue from 'p-queue'

/**
 * Limits how many pieces of work of one kind run at the same time for all replicas in one store.
 * Without the limit, thousands of databases whose work is due at the same moment would need
 * thousands of connections and much memory. Each store has its own limit, so a store that does not
 * answer delays only its own replicas.
 */
export class StoreTurns {
  readonly #most: number
  readonly #queues = new Map<string, PQueue>()

  constructor(most: number) {
    this.#most = most
  }

  /** Runs `work` for the replica at `url` as soon as the limit of the replica's store permits. */
  run<T>(url: string, work: () => Promise<T>): Promise<T> {
    const store = storeOf(url)
    const queue = this.#queues.get(store) ?? new PQueue({ concurrency: this.#most })
    this.#queues.set(store, queue)
    return queue.add(work) as Promise<T>
  }
}

/**
 * Returns a text that identifies the store of a replica. The store of a replica in a folder is the
 * parent folder of the replica. Replicas in different folders count as different stores, because
 * one of the folders may be on a disk that does not answer.
 */
function storeOf(url: string): string {
  if (url.startsWith('file:')) return url.slice(0, url.lastIndexOf('/'))
  return /^[^:]+:\/\/[^/]*/.exec(url)?.[0] ?? ''
}
