import { LRUCache } from 'lru-cache'
import { native } from '../../../native/addon.js'
import type { NativePageCache } from '../../../native/replica.js'

/**
 * Minimum number of slots of a cache. With this number, the pages of one fetched range fit into the
 * cache.
 */
const MIN_SLOTS = 64

/**
 * Returns the key of one version of one page. `file` is the ordinal of the file with this version.
 * The ordinal is never 0.
 */
export function pageKey(file: number, pgno: number): number {
  return file * 2 ** 32 + pgno
}

/**
 * Maps page versions to slots of the cache, and chooses the slot to evict. The least recently used
 * page is evicted first. If native code serves a read without the worker, native code sets a
 * touched bit. The bit is checked before an eviction, so such a read counts as a use. Interior
 * b-tree pages are evicted only when they take more than half of the slots, because every look-up
 * needs them.
 */
export class PageStore {
  readonly cache: NativePageCache
  readonly slots: number
  readonly #leaves: LRUCache<number, number>
  readonly #interior: LRUCache<number, number>
  readonly #free: number[] = []
  #unused = 0
  /**
   * Keys of pages whose slots will be filled next. An allocation must not evict one of these keys.
   */
  #filling = new Set<number>()

  constructor(
    readonly pageSize: number,
    budget: number,
  ) {
    this.slots = Math.min(native.constants.maxSlots, Math.max(MIN_SLOTS, Math.floor(budget / pageSize)))
    this.cache = native.createCache(pageSize, this.slots)
    // PageStore evicts pages itself, because an LRUCache with the option `max` would allocate
    // memory for all slots in advance.
    const grows = { maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: () => 1 }
    this.#leaves = new LRUCache(grows)
    this.#interior = new LRUCache(grows)
  }

  /** Number of resident pages. */
  get size(): number {
    return this.#leaves.size + this.#interior.size
  }

  slotOf(key: number): number | undefined {
    return this.#leaves.get(key) ?? this.#interior.get(key)
  }

  has(key: number): boolean {
    return this.#leaves.has(key) || this.#interior.has(key)
  }

  /**
   * Allocates one slot for each of several page versions, and evicts the previous pages of these
   * slots. The caller must fill the slots before it yields the thread.
   */
  allocate(keys: readonly number[]): number[] {
    this.#filling = new Set(keys)
    const slots = keys.map((key) => this.#allocate(key))
    this.#filling.clear()
    return slots
  }

  #allocate(key: number): number {
    const there = this.#leaves.peek(key) ?? this.#interior.peek(key)
    if (there !== undefined) return there
    const slot = this.#free.pop() ?? (this.#unused < this.slots ? this.#unused++ : this.#evict())
    this.#leaves.set(key, slot)
    return slot
  }

  /**
   * Moves a page from the list of leaves to the list of interior pages, which stay longer in the
   * cache.
   */
  keepLonger(key: number): void {
    const slot = this.#leaves.peek(key)
    if (slot === undefined) return
    this.#leaves.delete(key)
    this.#interior.set(key, slot)
  }

  /** Frees the slot of a page that could not be read into the slot. */
  drop(key: number): void {
    for (const lru of [this.#leaves, this.#interior]) {
      const slot = lru.peek(key)
      if (slot === undefined) continue
      lru.delete(key)
      this.#free.push(slot)
    }
  }

  /**
   * Evicts the pages of unreferenced files, because new files are about to get the ordinals of
   * these files.
   */
  dropFiles(files: ReadonlySet<number>): void {
    for (const lru of [this.#leaves, this.#interior]) {
      for (const key of [...lru.keys()]) if (files.has(Math.floor(key / 2 ** 32))) this.drop(key)
    }
  }

  /** Changes the keys of resident pages. If `rename` returns undefined, the page keeps its key. */
  rekey(rename: (file: number, pgno: number) => number | undefined): void {
    for (const lru of [this.#leaves, this.#interior]) {
      for (const [key, slot] of [...lru.rentries()]) {
        const other = rename(Math.floor(key / 2 ** 32), key % 2 ** 32)
        if (other === undefined || other === key || this.has(other)) continue
        lru.delete(key)
        lru.set(other, slot)
      }
    }
  }

  #evict(): number {
    const crowded = this.#interior.size > this.slots / 2 || this.#leaves.size === 0
    const lru = crowded ? this.#interior : this.#leaves
    // A page that native code read after the last check moves to the front of the list. After at
    // most 64 moved pages, a page is evicted in any case. Without the limit of 64 pages, a cache
    // whose pages are all read frequently could not evict a page.
    for (let chances = 64; ; ) {
      const key = lru.rkeys().next().value as number
      const slot = lru.peek(key) as number
      if (!this.#filling.has(key) && (chances-- <= 0 || !native.touched(this.cache, slot))) {
        lru.delete(key)
        return slot
      }
      lru.get(key)
    }
  }
}
