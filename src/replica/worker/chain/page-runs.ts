import { lowerBound } from '../../../util/sorted.js'

/** Page numbers in ascending order, stored as runs of consecutive numbers. A run takes 8 bytes. */
export class PageRuns {
  #starts: Uint32Array = new Uint32Array(16)
  /** The last page of each run. */
  #ends: Uint32Array = new Uint32Array(16)
  #runs = 0
  #size = 0

  /** The page numbers must be ascending. */
  static from(pgnos: Iterable<number>): PageRuns {
    const runs = new PageRuns()
    for (const pgno of pgnos) runs.add(pgno)
    return runs
  }

  /** Number of pages. */
  get size(): number {
    return this.#size
  }

  /** Adds a page. Its number must be greater than all page numbers that were added before. */
  add(pgno: number): void {
    this.#size++
    if (this.#runs > 0 && this.#ends[this.#runs - 1] === pgno - 1) {
      this.#ends[this.#runs - 1] = pgno
      return
    }
    if (this.#runs === this.#starts.length) {
      this.#starts = grown(this.#starts)
      this.#ends = grown(this.#ends)
    }
    this.#starts[this.#runs] = pgno
    this.#ends[this.#runs++] = pgno
  }

  *[Symbol.iterator](): Generator<number> {
    for (let run = 0; run < this.#runs; run++) {
      for (let pgno = this.#starts[run]; pgno <= this.#ends[run]; pgno++) yield pgno
    }
  }

  /** Returns the pages in lists of at most `size` pages. */
  *parts(size: number): Generator<Uint32Array> {
    const part = new Uint32Array(Math.min(size, this.#size))
    let count = 0
    for (const pgno of this) {
      part[count++] = pgno
      if (count < part.length) continue
      yield part.slice(0, count)
      count = 0
    }
    if (count > 0) yield part.slice(0, count)
  }

  /** Returns the pages from `first` to `last`. */
  within(first: number, last: number): Uint32Array {
    const pages: number[] = []
    for (let run = lowerBound(this.#ends.subarray(0, this.#runs), first); run < this.#runs; run++) {
      if (this.#starts[run] > last) break
      const end = Math.min(last, this.#ends[run])
      for (let pgno = Math.max(first, this.#starts[run]); pgno <= end; pgno++) pages.push(pgno)
    }
    return Uint32Array.from(pages)
  }
}

function grown(list: Uint32Array): Uint32Array {
  const longer = new Uint32Array(list.length * 2)
  longer.set(list)
  return longer
}
