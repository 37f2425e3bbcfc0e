import { monotonicMs } from '../../util/monotonic.js'

/**
 * Maximum number of entries, which limits memory while the store is unavailable for a long time.
 */
const MOST = 1024

interface Pending {
  /** The highest TXID of the entry. */
  upTo: number
  /** Time from `monotonicMs()` at which the file with the entry's first TXID was written. */
  readonly at: number
}

/** Measures the age of the commits that are not in the replica yet. */
export class PendingCommits {
  #entries: Pending[] = []

  /** Records that the primary wrote an L0 file with the commits up to `txid`. */
  add(txid: number): void {
    this.#entries.push({ upTo: txid, at: monotonicMs() })
    if (this.#entries.length > MOST) this.#halve()
  }

  /** Records that the replica contains all commits up to `txid`. */
  uploaded(txid: number): void {
    this.#entries = this.#entries.filter(({ upTo }) => upTo > txid)
  }

  /**
   * Records that the next L0 file gets TXID `txid` + 1. The next L0 file then contains the commits
   * of all pending files with TXIDs above `txid`.
   */
  continueAfter(txid: number): void {
    for (const entry of this.#entries) entry.upTo = Math.min(entry.upTo, txid + 1)
  }

  clear(): void {
    this.#entries = []
  }

  /**
   * Age in milliseconds of the oldest commit that is not in the replica, or 0 if the replica
   * contains every commit.
   */
  get ageMs(): number {
    const [oldest] = this.#entries
    return oldest === undefined ? 0 : monotonicMs() - oldest.at
  }

  /**
   * Merges each pair of adjacent entries into one entry with the time of the older one, so that
   * `ageMs` is never too small.
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
