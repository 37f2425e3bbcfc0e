import { LRUCache } from 'lru-cache'
import { native } from '../native.js'
import type { NativePageCache } from './native-replica.js'

/** Slots a cache has at the least, whatever its budget: one fetched range must be able to pass through. */
const MIN_SLOTS = 64

/** One version of one page: the file that holds it and its number. */
export function pageKey(file: number, pgno: number): number {
  return file * 2 ** 32 + pgno
}

/**
 * Which page version is in which slot, and which goes when room is needed: least recently used first, where a read that never
 * left native code counts too (its touched bit is looked at before its page is dropped).
 */
export class PageStore {
  readonly cache: NativePageCache
  readonly slots: number
  readonly #lru: LRUCache<number, number>
  readonly #free: number[] = []
  #unused = 0

  constructor(
    readonly pageSize: number,
    budget: number,
  ) {
    this.slots = Math.max(MIN_SLOTS, Math.floor(budget / pageSize))
    this.cache = native.createCache(pageSize, this.slots)
    this.#lru = new LRUCache({ max: this.slots })
  }

  /** Pages resident. */
  get size(): number {
    return this.#lru.size
  }

  slotOf(key: number): number | undefined {
    return this.#lru.get(key)
  }

  has(key: number): boolean {
    return this.#lru.has(key)
  }

  /** A slot for a page version; what was in it is gone. The caller fills it before it gives the thread away. */
  allocate(key: number): number {
    const there = this.#lru.peek(key)
    if (there !== undefined) return there
    const slot = this.#free.pop() ?? (this.#unused < this.slots ? this.#unused++ : this.#evict())
    this.#lru.set(key, slot)
    return slot
  }

  /** Takes back a slot that could not be filled. */
  drop(key: number): void {
    const slot = this.#lru.peek(key)
    if (slot === undefined) return
    this.#lru.delete(key)
    this.#free.push(slot)
  }

  /** Gives resident pages other keys; undefined keeps the one there is. */
  rekey(rename: (file: number, pgno: number) => number | undefined): void {
    for (const [key, slot] of [...this.#lru.rentries()]) {
      const other = rename(Math.floor(key / 2 ** 32), key % 2 ** 32)
      if (other === undefined || other === key || this.#lru.has(other)) continue
      this.#lru.delete(key)
      this.#lru.set(other, slot)
    }
  }

  #evict(): number {
    // Second chance: a page that native code read since it was last looked at moves to the front. Bounded, so that a cache in which
    // everything is hot still gives way.
    for (let i = 0; i < 64; i++) {
      const key = this.#lru.rkeys().next().value as number
      const slot = this.#lru.peek(key) as number
      if (!native.touched(this.cache, slot)) break
      this.#lru.get(key)
    }
    const key = this.#lru.rkeys().next().value as number
    const slot = this.#lru.peek(key) as number
    this.#lru.delete(key)
    return slot
  }
}
