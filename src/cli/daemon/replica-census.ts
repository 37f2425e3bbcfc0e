import { listLevels } from '../../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'
import { withDeadline } from '../../util/wait.js'

/** Maximum age of a listing in milliseconds. A new listing needs one request per level. */
const MOST_AGE_MS = 60_000
/** Maximum time in milliseconds for which the status page and the metrics wait for a listing. */
const WAIT_MS = 2000
/** Time in milliseconds after a failed listing in which `levels` throws the same error again. */
const RETRY_MS = 15_000

/** Lists the files of a replica, grouped by level, for the status page and the metrics. */
export class ReplicaCensus {
  readonly #client: ReplicaClient
  #known: { readonly at: number; readonly levels: LtxFileInfo[][] } | undefined
  #listing: Promise<LtxFileInfo[][]> | undefined
  /**
   * The error of the latest failed listing, or the timeout error of a listing that is still
   * running.
   */
  #failed: { readonly at: number; readonly error: unknown } | undefined

  constructor(client: ReplicaClient) {
    this.#client = client
  }

  /**
   * Returns the files of the replica, grouped by level. The returned listing is at most one minute
   * old. Throws the error of the store if the listing fails. Throws TIMEOUT after 2 seconds,
   * because the status page and the metrics of other databases must not wait for a slow store. If
   * the listing completes after the timeout, the next call of `levels` returns it.
   */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    if (this.#known && monotonicMs() - this.#known.at < MOST_AGE_MS) return this.#known.levels
    // An open status page calls `levels` every two seconds. A store whose listings fail must not
    // get a request each time that the status page calls `levels`.
    if (this.#failed && (this.#listing || monotonicMs() - this.#failed.at < RETRY_MS)) throw this.#failed.error
    this.#listing ??= this.#list()
    const listing = this.#listing
    try {
      return await withDeadline(`listing ${this.#client.url}`, { timeout: WAIT_MS }, () => listing, { abandon: true })
    } catch (error) {
      this.#failed = { at: monotonicMs(), error }
      throw error
    }
  }

  async #list(): Promise<LtxFileInfo[][]> {
    try {
      const levels = await listLevels(this.#client)
      this.#known = { at: monotonicMs(), levels }
      this.#failed = undefined
      return levels
    } catch (error) {
      this.#failed = { at: monotonicMs(), error }
      throw error
    } finally {
      this.#listing = undefined
    }
  }
}
