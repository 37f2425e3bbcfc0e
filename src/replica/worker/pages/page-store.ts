import { LRUCache } from 'lru-cache'
import { native } from '../../../native/addon.js'
import type { NativePageCache } from '../../../native/replica.js'

/** Slots a cache has at the least, whatever its budget: one fetched range must be able to pass through. */
const MIN_SLOTS = 64

/** As kMaxSlots of native/replica/page_cache.h. */
const MAX_SLOTS = 2 ** 31

/** One version of one page: the file that holds it, never 0, and its number. */
export function pageKey(file: number, pgno: number): number {
  return file * 2 ** 32 + pgno
}

/**
 * Which page version is in which slot, and which goes when room is needed: least recently used first, where a read that never
 * left native code counts too (its touched bit is looked at before its page is dropped). Interior b-tree pages, which every look-up
 * needs, go only once they take more than half of the slots.
 */
export class PageStore {
  readonly cache: NativePageCache
  readonly slots: number
  readonly #leaves: LRUCache<number, number>
  readonly #interior: LRUCache<number, number>
  readonly #free: number[] = []
  #unused = 0
  /** Keys whose slots are about to be filled: not to be evicted for one another. */
  #filling = new Set<number>()

  constructor(
    readonly pageSize: number,
    budget: number,
  ) {
    this.slots = Math.min(MAX_SLOTS, Math.max(MIN_SLOTS, Math.floor(budget / pageSize)))
    this.cache = native.createCache(pageSize, this.slots)
    // Room is made here; and with `max`, each would take its memory for all slots before one is used.
    const grows = { maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: () => 1 }
    this.#leaves = new LRUCache(grows)
    this.#interior = new LRUCache(grows)
  }

  /** Pages resident. */
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
   * Slots for a few page versions, no two the same; what was in them is gone. The caller fills them before it gives the thread
   * away.
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

  /** The page turned out to be an interior one. */
  keepLonger(key: number): void {
    const slot = this.#leaves.peek(key)
    if (slot === undefined) return
    this.#leaves.delete(key)
    this.#interior.set(key, slot)
  }

  /** Takes back a slot that could not be filled. */
  drop(key: number): void {
    for (const lru of [this.#leaves, this.#interior]) {
      const slot = lru.peek(key)
      if (slot === undefined) continue
      lru.delete(key)
      this.#free.push(slot)
    }
  }

  /** Drops the pages of files that nothing refers to any more: their ordinals are about to be given to other files. */
  dropFiles(files: ReadonlySet<number>): void {
    for (const lru of [this.#leaves, this.#interior]) {
      for (const key of [...lru.keys()]) if (files.has(Math.floor(key / 2 ** 32))) this.drop(key)
    }
  }

  /** Gives resident pages other keys; undefined keeps the one there is. */
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
    // Second chance: a page that native code read since it was last looked at moves to the front. Bounded, so that a cache in which
    // everything is hot still gives way.
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
