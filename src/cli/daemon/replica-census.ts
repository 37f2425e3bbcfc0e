import { listLevels } from '../../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'
import { withDeadline } from '../../util/wait.js'

/** A listing costs a request for each level: it is asked for at most this often. Milliseconds. */
const MOST_AGE_MS = 60_000
/** A page or the metrics wait this long for a listing, milliseconds. */
const WAIT_MS = 2000

/** The files of a replica by level, for the status page and the metrics. */
export class ReplicaCensus {
  readonly #client: ReplicaClient
  #known: { readonly at: number; readonly levels: LtxFileInfo[][] } | undefined
  #listing: Promise<LtxFileInfo[][]> | undefined

  constructor(client: ReplicaClient) {
    this.#client = client
  }

  /**
   * Not older than a minute where the store answers; throws what it throws, and TIMEOUT after 2 seconds, as a page and the metrics of
   * other databases must not wait for it. A listing that comes later is the answer to the next call.
   */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    if (this.#known && monotonicMs() - this.#known.at < MOST_AGE_MS) return this.#known.levels
    this.#listing ??= this.#list()
    const listing = this.#listing
    return withDeadline(`listing ${this.#client.url}`, { timeout: WAIT_MS }, () => listing, { abandon: true })
  }

  async #list(): Promise<LtxFileInfo[][]> {
    try {
      const levels = await listLevels(this.#client)
      this.#known = { at: monotonicMs(), levels }
      return levels
    } finally {
      this.#listing = undefined
    }
  }
}
