import { elapsedMs } from '../util/elapsed.js'
import { type OutageListener, OutageWatch, reportOutage } from './outage.js'
import type { Operation, OperationStats } from './replica-client.js'

const OPERATIONS: readonly Operation[] = ['LIST', 'GET', 'PUT', 'DELETE', 'HEAD']

/**
 * Counts the requests of a client by kind. The class also detects outages, from the requests that
 * the store answers and those that it does not answer.
 */
export class OperationCounters {
  readonly outages: OutageWatch
  readonly #stats = Object.fromEntries(
    OPERATIONS.map((operation) => [operation, { requests: 0, errors: 0, retries: 0, bytes: 0, seconds: 0 }]),
  ) as Record<Operation, OperationStats>

  /** `replica` is the URL of the replica without credentials. */
  constructor(replica: string, onOutage: OutageListener = reportOutage) {
    this.outages = new OutageWatch(replica, onOutage)
  }

  /** Returns a copy of the counters, so that the caller can compute differences later. */
  snapshot(): Record<Operation, OperationStats> {
    return structuredClone(this.#stats)
  }

  bytes(operation: Operation, count: number): void {
    this.#stats[operation].bytes += count
  }

  retry(operation: Operation): void {
    this.#stats[operation].retries += 1
  }

  /**
   * Counts and times one request. If the request rejects, counts an error and rejects with the same
   * error.
   */
  async track<T>(operation: Operation, request: () => Promise<T>): Promise<T> {
    const stats = this.#stats[operation]
    const start = elapsedMs()
    stats.requests += 1
    try {
      const result = await request()
      // A finished GET may have received only the headers of its response. For a GET, the store
      // therefore counts as answering only when bytes of the body arrive.
      if (operation !== 'GET') this.outages.answered()
      return result
    } catch (error) {
      stats.errors += 1
      throw error
    } finally {
      stats.seconds += (elapsedMs() - start) / 1000
    }
  }
}
