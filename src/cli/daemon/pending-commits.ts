import { monotonicMs } from '../../util/monotonic.js'

/** Entries that are kept: a store that is away for a day must not cost memory for each sync of that day. */
const MOST = 1024

interface Pending {
  /** The last TXID that the entry stands for. */
  upTo: number
  /** When the first of them was made, `monotonicMs`. */
  readonly at: number
}

/** How long the commits that are not in the replica yet have been waiting. */
export class PendingCommits {
  #entries: Pending[] = []

  /** A file was made of the commits up to `txid`. */
  add(txid: number): void {
    this.#entries.push({ upTo: txid, at: monotonicMs() })
    if (this.#entries.length > MOST) this.#halve()
  }

  /** Everything up to `txid` is in the replica. */
  uploaded(txid: number): void {
    this.#entries = this.#entries.filter(({ upTo }) => upTo > txid)
  }

  /** The numbering continues after `txid`: the next file holds every commit that waits for a later one. */
  continueAfter(txid: number): void {
    for (const entry of this.#entries) entry.upTo = Math.min(entry.upTo, txid + 1)
  }

  clear(): void {
    this.#entries = []
  }

  /** Milliseconds that the oldest has been waiting; 0 if nothing waits. */
  get ageMs(): number {
    const [oldest] = this.#entries
    return oldest === undefined ? 0 : monotonicMs() - oldest.at
  }

  /** Joins neighbours, each pair with the time of its older one: the age is never made smaller by it. */
  #halve(): void {
    const joined: Pending[] = []
    for (const [i, entry] of this.#entries.entries()) {
      if (i % 2 === 0) joined.push({ ...entry })
      else joined.at(-1)!.upTo = entry.upTo
    }
    this.#entries = joined
  }
}
