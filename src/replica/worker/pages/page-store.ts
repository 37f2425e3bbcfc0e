import { LRUCache } from 'lru-cache'
import { native } from '../../../native/addon.js'
import type { NativePageCache } from '../../../native/replica.js'

/** Minimum number of slots of a cache: one fetched range must fit. */
const MIN_SLOTS = 64

/** One version of one page: the file that holds it, never 0, and its number. */
export function pageKey(file: number, pgno: number): number {
  return file * 2 ** 32 + pgno
}

/**
 * Maps page versions to slots, and chooses the slot to evict: least recently used first. A read
 * that native code served alone counts too (its touched bit is checked before the page is evicted).
 * Interior b-tree pages, which every look-up needs, are evicted only when they take more than half
 * of the slots.
 */
export class PageStore {
  readonly cache: NativePageCache
  readonly slots: number
  readonly #leaves: LRUCache<number, number>
  readonly #interior: LRUCache<number, number>
  readonly #free: number[] = []
  #unused = 0
  /** Keys whose slots are about to be filled; they must not evict one another. */
  #filling = new Set<number>()

  constructor(
    readonly pageSize: number,
    budget: number,
  ) {
    this.slots = Math.min(native.constants.maxSlots, Math.max(MIN_SLOTS, Math.floor(budget / pageSize)))
    this.cache = native.createCache(pageSize, this.slots)
    // Eviction happens in this class; with `max`, each cache would allocate memory for all slots in
    // advance.
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
   * Allocates a slot for each of several different page versions and evicts their previous pages.
   * The caller fills the slots before it yields the thread.
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

  /** Moves a page to the interior pages, which are kept longer. */
  keepLonger(key: number): void {
    const slot = this.#leaves.peek(key)
    if (slot === undefined) return
    this.#leaves.delete(key)
    this.#interior.set(key, slot)
  }

  /** Frees a slot that could not be filled. */
  drop(key: number): void {
    for (const lru of [this.#leaves, this.#interior]) {
      const slot = lru.peek(key)
      if (slot === undefined) continue
      lru.delete(key)
      this.#free.push(slot)
    }
  }

  /**
   * Evicts the pages of files that nothing refers to any more: their ordinals are about to be
   * reused.
   */
  dropFiles(files: ReadonlySet<number>): void {
    for (const lru of [this.#leaves, this.#interior]) {
      for (const key of [...lru.keys()]) if (files.has(Math.floor(key / 2 ** 32))) this.drop(key)
    }
  }

  /** Changes the keys of resident pages; undefined keeps the key. */
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
    // Second chance: a page that native code read since the last check moves to the front. Bounded,
    // so that a cache of only hot pages still evicts one.
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
