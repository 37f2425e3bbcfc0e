import { monotonicMs } from '../../util/monotonic.js'

/**
 * Maximum number of entries: a store that is unavailable for a day must not cost memory for each
 * sync.
 */
const MOST = 1024

interface Pending {
  /** The last TXID of the entry. */
  upTo: number
  /** When the first TXID of the entry was made, `monotonicMs`. */
  readonly at: number
}

/** The age of the commits that are not in the replica yet. */
export class PendingCommits {
  #entries: Pending[] = []

  /** A file was made from the commits up to `txid`. */
  add(txid: number): void {
    this.#entries.push({ upTo: txid, at: monotonicMs() })
    if (this.#entries.length > MOST) this.#halve()
  }

  /** Everything up to `txid` is in the replica. */
  uploaded(txid: number): void {
    this.#entries = this.#entries.filter(({ upTo }) => upTo > txid)
  }

  /**
   * The numbering continues after `txid`: the next file contains every commit that waits for a
   * later TXID.
   */
  continueAfter(txid: number): void {
    for (const entry of this.#entries) entry.upTo = Math.min(entry.upTo, txid + 1)
  }

  clear(): void {
    this.#entries = []
  }

  /** Age of the oldest commit in milliseconds; 0 if none waits. */
  get ageMs(): number {
    const [oldest] = this.#entries
    return oldest === undefined ? 0 : monotonicMs() - oldest.at
  }

  /**
   * Merges adjacent entries in pairs, each with the older time, so that the age never becomes
   * smaller.
   */
  #halve(): void {
    const joined: Pending[] = []
    for (const [i, entry] of this.#entries.entries()) {
      if (i % 2 === 0) joined.push({ ...entry })
      else joined.at(-1)!.upTo = entry.upTo
    }
    this.#entries = joined
  }
}
