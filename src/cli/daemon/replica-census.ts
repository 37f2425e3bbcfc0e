import { listLevels } from '../../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'
import { withDeadline } from '../../util/wait.js'

/** Maximum age of a listing, which costs one request per level. Milliseconds. */
const MOST_AGE_MS = 60_000
/** How long a page or the metrics wait for a listing, in milliseconds. */
const WAIT_MS = 2000
/** Time after a failed listing in which the next callers get its error. Milliseconds. */
const RETRY_MS = 15_000

/** The files of a replica by level, for the status page and the metrics. */
export class ReplicaCensus {
  readonly #client: ReplicaClient
  #known: { readonly at: number; readonly levels: LtxFileInfo[][] } | undefined
  #listing: Promise<LtxFileInfo[][]> | undefined
  /** Why there is no listing: the last one failed, or one that still runs takes too long. */
  #failed: { readonly at: number; readonly error: unknown } | undefined

  constructor(client: ReplicaClient) {
    this.#client = client
  }

  /**
   * At most one minute old if the store responds; otherwise throws its error, or TIMEOUT after 2
   * seconds, because the page and the metrics of other databases must not wait. A late listing is
   * used for the next call.
   */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    if (this.#known && monotonicMs() - this.#known.at < MOST_AGE_MS) return this.#known.levels
    // A page that is open asks every two seconds: a store that fails is not asked as often.
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
