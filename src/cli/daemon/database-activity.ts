import type { PrimaryEvents } from '../../primary/events.js'
import { ActivityHistory, type ActivitySample } from '../../status/activity-history.js'
import type { ActivityStatus, RequestStatus } from '../../status/document.js'
import { billedRequests, monthlyRequests } from '../../status/request-cost.js'
import type { ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'
import { RecentErrors } from './recent-errors.js'

/** Maximum number of uploads whose durations are kept. */
const MAX_DURATIONS = 100
/**
 * Minimum time in milliseconds of counting requests before the count is extrapolated to a month. A
 * process sends more requests at the start than later.
 */
const RATE_MS = 60_000

/**
 * Counts the syncs, uploads and errors of one database for the status page, from the start of the
 * process.
 */
export class DatabaseActivity {
  readonly errors = new RecentErrors()
  readonly #history = new ActivityHistory()
  readonly #totals = { syncs: 0, walBytes: 0, uploads: 0, uploadedBytes: 0 }
  readonly #durations: number[] = []
  /** The uploads since the latest sample. */
  #recent = { uploads: 0, bytes: 0, uploadMs: 0 }
  #lastUpload: ActivityStatus['lastUpload']

  observe<Name extends keyof PrimaryEvents>(name: Name, event: PrimaryEvents[Name]): void {
    if (name === 'sync') {
      this.#totals.syncs++
      this.#totals.walBytes += (event as PrimaryEvents['sync']).walBytes
    } else if (name === 'upload') this.#uploaded(event as PrimaryEvents['upload'])
    else if (name === 'error') {
      const { operation, error } = event as PrimaryEvents['error']
      this.errors.add(operation, error)
    }
  }

  #uploaded({ txid, size, durationMs }: PrimaryEvents['upload']): void {
    this.#totals.uploads++
    this.#totals.uploadedBytes += size
    const { uploads, bytes, uploadMs } = this.#recent
    this.#recent = { uploads: uploads + 1, bytes: bytes + size, uploadMs: Math.max(uploadMs, durationMs) }
    this.#durations.push(durationMs)
    if (this.#durations.length > MAX_DURATIONS) this.#durations.shift()
    this.#lastUpload = { txid, at: Date.now() }
  }

  /**
   * Adds one sample to the history. The daemon calls `sample` at the interval of ActivityHistory.
   * `lagMs` is the current lag, and `client` is undefined while the replica is not open.
   */
  sample(lagMs: number, client: ReplicaClient | undefined): void {
    const { writes, reads } = client ? billedRequests(client.stats()) : { writes: 0, reads: 0 }
    this.#history.add({ at: Date.now(), lagMs, ...this.#recent, writeRequests: writes, readRequests: reads })
    this.#recent = { uploads: 0, bytes: 0, uploadMs: 0 }
  }

  get lags(): readonly (readonly [number, number])[] {
    return this.#history.lags
  }

  get samples(): readonly ActivitySample[] {
    return this.#history.samples
  }

  status(): ActivityStatus {
    const sorted = [...this.#durations].sort((a, b) => a - b)
    const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
    return { ...this.#totals, uploadMs: { p50: quantile(0.5), p95: quantile(0.95) }, lastUpload: this.#lastUpload }
  }

  /** `openedAt` is the time at which the client was opened, from `monotonicMs()`. */
  requests(client: ReplicaClient, openedAt: number): RequestStatus {
    const stats = client.stats()
    const { LIST, GET, PUT, DELETE, HEAD } = stats
    const counts = {
      LIST: LIST.requests,
      GET: GET.requests,
      PUT: PUT.requests,
      DELETE: DELETE.requests,
      HEAD: HEAD.requests,
    }
    const sinceMs = monotonicMs() - openedAt
    const { writes, reads } = billedRequests(stats)
    const since = sinceMs < RATE_MS ? undefined : { writes: writes / sinceMs, reads: reads / sinceMs }
    const rate = this.#history.requestRate(RATE_MS) ?? since
    return { counts, sinceMs, month: rate && monthlyRequests(client.type, rate) }
  }
}
