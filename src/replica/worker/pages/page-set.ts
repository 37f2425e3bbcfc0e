/** A set of page numbers, one bit each. */
export class PageSet {
  #words: Uint32Array
  #size = 0

  constructor(words = new Uint32Array(64)) {
    this.#words = words
    this.#recount()
  }

  #recount(): void {
    this.#size = 0
    for (const word of this.#words) this.#size += popcount(word)
  }

  /** Number of pages in the set. */
  get size(): number {
    return this.#size
  }

  has(pgno: number): boolean {
    return ((this.#words[pgno >>> 5] ?? 0) & (1 << (pgno & 31))) !== 0
  }

  add(pgno: number): void {
    const at = pgno >>> 5
    if (at >= this.#words.length) {
      const grown = new Uint32Array(Math.max(at + 1, this.#words.length * 2))
      grown.set(this.#words)
      this.#words = grown
    }
    if (this.has(pgno)) return
    this.#words[at] |= 1 << (pgno & 31)
    this.#size++
  }

  addAll(other: PageSet): void {
    const words = new Uint32Array(Math.max(this.#words.length, other.#words.length))
    words.set(this.#words)
    for (const [i, word] of other.#words.entries()) words[i] |= word
    this.#words = words
    this.#recount()
  }

  delete(pgno: number): void {
    if (!this.has(pgno)) return
    this.#words[pgno >>> 5] &= ~(1 << (pgno & 31))
    this.#size--
  }

  /** Removes every page above `commit`. */
  truncate(commit: number): void {
    const keep = (commit + 1) & 31
    const at = (commit + 1) >>> 5
    if (at >= this.#words.length) return
    if (keep !== 0) this.#words[at] &= (1 << keep) - 1
    this.#words.fill(0, keep === 0 ? at : at + 1)
    this.#recount()
  }

  /** The first page number from `pgno` on that is not in the set. */
  firstMissing(pgno: number): number {
    for (let p = pgno; ; ) {
      const word = this.#words[p >>> 5]
      if (word === undefined) return p
      if (word === 0xffffffff) {
        p = (p | 31) + 1
        continue
      }
      if ((word & (1 << (p & 31))) === 0) return p
      p++
    }
  }

  /**
   * The number of pages in 1..commit, without the lock page, that are not in the set. The set must
   * lie within them.
   */
  missing(commit: number, lock: number): number {
    return commit - (lock <= commit ? 1 : 0) - this.#size
  }

  toArray(commit: number): Uint32Array {
    const pages = new Uint32Array(this.#size)
    let count = 0
    const words = Math.min(this.#words.length, (commit >>> 5) + 1)
    for (let at = 0; at < words; at++) {
      for (let word = this.#words[at]; word !== 0; word &= word - 1) {
        const pgno = at * 32 + 31 - Math.clz32(word & -word)
        if (pgno >= 1 && pgno <= commit) pages[count++] = pgno
      }
    }
    return pages.subarray(0, count)
  }

  /** Base64 of the bits of 0..commit. */
  encode(commit: number): string {
    const words = this.#words.slice(0, (commit >>> 5) + 1)
    return Buffer.from(words.buffer).toString('base64')
  }

  /** Pages 1..commit. */
  static all(commit: number): PageSet {
    const set = new PageSet(new Uint32Array((commit >>> 5) + 1).fill(0xffffffff))
    set.delete(0)
    set.truncate(commit)
    return set
  }

  static decode(text: string): PageSet {
    const bytes = Buffer.from(text, 'base64')
    const words = new Uint32Array(Math.ceil(bytes.length / 4))
    new Uint8Array(words.buffer).set(bytes)
    return new PageSet(words)
  }
}

function popcount(word: number): number {
  let count = 0
  for (let rest = word; rest !== 0; rest &= rest - 1) count++
  return count
}
