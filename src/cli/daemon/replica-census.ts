import { listLevels } from '../../levels/plan.js'
import type { LtxFileInfo, ReplicaClient } from '../../storage/replica-client.js'
import { monotonicMs } from '../../util/monotonic.js'

/** A listing costs a request for each level: it is asked for at most this often. Milliseconds. */
const MOST_AGE_MS = 60_000

/** The files of a replica by level, for the status page and the metrics. */
export class ReplicaCensus {
  readonly #client: ReplicaClient
  #known: { readonly at: number; readonly levels: LtxFileInfo[][] } | undefined
  #listing: Promise<LtxFileInfo[][]> | undefined

  constructor(client: ReplicaClient) {
    this.#client = client
  }

  /** Not older than a minute. Throws what the store throws. */
  async levels(): Promise<readonly (readonly LtxFileInfo[])[]> {
    if (this.#known && monotonicMs() - this.#known.at < MOST_AGE_MS) return this.#known.levels
    this.#listing ??= listLevels(this.#client)
    try {
      const levels = await this.#listing
      this.#known = { at: monotonicMs(), levels }
      return levels
    } finally {
      this.#listing = undefined
    }
  }
}
