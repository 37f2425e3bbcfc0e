/** Number of pages per block. Each block that contains a page takes 128 bytes. */
const BLOCK_PAGES = 1024
const BLOCK_WORDS = BLOCK_PAGES / 32

/**
 * A set of page numbers. The set consists of blocks with one bit per page. Page numbers come from a
 * replica. An array up to the highest page number could take half a gigabyte for a few pages.
 */
export class PageSet {
  /** The blocks of the set, with `pgno / BLOCK_PAGES` as the key of a block. */
  readonly #blocks = new Map<number, Uint32Array>()
  #size = 0

  /** Number of pages in the set. */
  get size(): number {
    return this.#size
  }

  /** Memory of the blocks in bytes. */
  get byteLength(): number {
    return this.#blocks.size * BLOCK_WORDS * 4
  }

  has(pgno: number): boolean {
    return (this.#word(pgno) & (1 << (pgno & 31))) !== 0
  }

  add(pgno: number): void {
    const words = this.#own(Math.floor(pgno / BLOCK_PAGES))
    const at = (pgno >>> 5) % BLOCK_WORDS
    const bit = 1 << (pgno & 31)
    if ((words[at] & bit) !== 0) return
    words[at] |= bit
    this.#size++
  }

  addAll(other: PageSet): void {
    for (const [block, words] of other.#blocks) {
      const own = this.#own(block)
      for (let at = 0; at < BLOCK_WORDS; at++) {
        this.#size += popcount(words[at] & ~own[at])
        own[at] |= words[at]
      }
    }
  }

  delete(pgno: number): void {
    const words = this.#blocks.get(Math.floor(pgno / BLOCK_PAGES))
    if (!words || !this.has(pgno)) return
    words[(pgno >>> 5) % BLOCK_WORDS] &= ~(1 << (pgno & 31))
    this.#size--
  }

  /** Removes every page number above `commit`. */
  truncate(commit: number): void {
    const last = Math.floor(commit / BLOCK_PAGES)
    for (const [block, words] of this.#blocks) {
      if (block > last) {
        for (const word of words) this.#size -= popcount(word)
        this.#blocks.delete(block)
      }
    }
    const end = (last + 1) * BLOCK_PAGES
    if (this.#blocks.has(last)) for (let pgno = commit + 1; pgno < end; pgno++) this.delete(pgno)
  }

  /** Returns the first page number from `pgno` on that is not in the set. */
  firstMissing(pgno: number): number {
    for (let p = pgno; ; ) {
      const word = this.#word(p)
      if (word >>> 0 === 0xffffffff) {
        p = p - (p % 32) + 32
        continue
      }
      if ((word & (1 << (p & 31))) === 0) return p
      p++
    }
  }

  /**
   * Returns the number of pages from 1 to `commit` that are not in the set. The lock page does not
   * count. The set must contain no page above `commit`.
   */
  missing(commit: number, lock: number): number {
    return commit - (lock <= commit ? 1 : 0) - this.#size
  }

  /** Returns the page numbers of the set from 1 to `commit`, in ascending order. */
  toArray(commit: number): Uint32Array {
    const pages = new Uint32Array(this.#size)
    let count = 0
    for (const part of this.parts(commit)) {
      pages.set(part, count)
      count += part.length
    }
    return pages.subarray(0, count)
  }

  /**
   * Returns the page numbers of the set from 1 to `commit` in ascending order, in lists of at most
   * BLOCK_PAGES numbers. The caller must not keep a list, because the next list overwrites it.
   */
  *parts(commit: number): Generator<Uint32Array> {
    const pages = new Uint32Array(BLOCK_PAGES)
    for (const [block, words] of this.#ordered()) {
      let count = 0
      for (let at = 0; at < BLOCK_WORDS; at++) {
        for (let word = words[at]; word !== 0; word &= word - 1) {
          const pgno = block * BLOCK_PAGES + at * 32 + 31 - Math.clz32(word & -word)
          if (pgno >= 1 && pgno <= commit) pages[count++] = pgno
        }
      }
      if (count > 0) yield pages.subarray(0, count)
    }
  }

  /**
   * Returns the set as Base64. The text has one bit for each number from 0 up to the last page that
   * is not above `commit`.
   */
  encode(commit: number): string {
    let last = 0
    for (const part of this.parts(commit)) last = part[part.length - 1]
    if (last === 0) return ''
    const words = new Uint32Array((last >>> 5) + 1)
    for (const part of this.parts(commit)) for (const pgno of part) words[pgno >>> 5] |= 1 << (pgno & 31)
    return Buffer.from(words.buffer).toString('base64')
  }

  /** Returns the set of all pages from 1 to `commit`. */
  static all(commit: number): PageSet {
    const set = new PageSet()
    for (let block = 0; block * BLOCK_PAGES <= commit; block++) set.#own(block).fill(0xffffffff)
    set.#size = set.#blocks.size * BLOCK_PAGES
    set.delete(0)
    set.truncate(commit)
    return set
  }

  static decode(text: string): PageSet {
    const bytes = Buffer.from(text, 'base64')
    const words = new Uint32Array(Math.ceil(bytes.length / 4))
    new Uint8Array(words.buffer).set(bytes)
    const set = new PageSet()
    for (let at = 0; at < words.length; at++) {
      if (words[at] === 0) continue
      set.#own(Math.floor(at / BLOCK_WORDS))[at % BLOCK_WORDS] = words[at]
      set.#size += popcount(words[at])
    }
    return set
  }

  #ordered(): [number, Uint32Array][] {
    return [...this.#blocks].sort(([a], [b]) => a - b)
  }

  #word(pgno: number): number {
    return this.#blocks.get(Math.floor(pgno / BLOCK_PAGES))?.[(pgno >>> 5) % BLOCK_WORDS] ?? 0
  }

  #own(block: number): Uint32Array {
    let words = this.#blocks.get(block)
    if (!words) {
      words = new Uint32Array(BLOCK_WORDS)
      this.#blocks.set(block, words)
    }
    return words
  }
}

function popcount(word: number): number {
  let count = 0
  for (let rest = word; rest !== 0; rest &= rest - 1) count++
  return count
}
