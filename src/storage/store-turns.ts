import PQueue from 'p-queue'

/**
 * Limits how much work of one kind runs at the same time for all replicas in one store: thousands of
 * databases whose work is due at the same moment would take as many connections, and much memory. A
 * store that does not answer delays no replica in another one.
 */
export class StoreTurns {
  readonly #most: number
  readonly #queues = new Map<string, PQueue>()

  constructor(most: number) {
    this.#most = most
  }

  /** Runs `work` for the replica at `url` when it is its turn. */
  run<T>(url: string, work: () => Promise<T>): Promise<T> {
    const store = storeOf(url)
    const queue = this.#queues.get(store) ?? new PQueue({ concurrency: this.#most })
    this.#queues.set(store, queue)
    return queue.add(work) as Promise<T>
  }
}

/** Of folders, those in one folder: another may be on a disk that does not answer. */
function storeOf(url: string): string {
  if (url.startsWith('file:')) return url.slice(0, url.lastIndexOf('/'))
  return /^[^:]+:\/\/[^/]*/.exec(url)?.[0] ?? ''
}
