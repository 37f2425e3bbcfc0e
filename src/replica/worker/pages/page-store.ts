import { native } from '../../../native/addon.js'
import type { NativePageCache } from '../../../native/replica.js'
import { SlotLinks, SlotList } from './slot-list.js'

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
  readonly #slotOf = new Map<number, number>()
  /** The key of the page in each used slot. */
  readonly #keys: number[] = []
  /** Whether the page in each used slot is an interior b-tree page. */
  readonly #isInterior: boolean[] = []
  readonly #leaves: SlotList
  readonly #interior: SlotList
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
    const links = new SlotLinks()
    this.#leaves = new SlotList(links)
    this.#interior = new SlotList(links)
  }

  /** Number of resident pages. */
  get size(): number {
    return this.#slotOf.size
  }

  /** Returns the slot of a page, and counts as a use of the page. */
  slotOf(key: number): number | undefined {
    const slot = this.#slotOf.get(key)
    if (slot !== undefined) this.#listOf(slot).touch(slot)
    return slot
  }

  has(key: number): boolean {
    return this.#slotOf.has(key)
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
    const there = this.#slotOf.get(key)
    if (there !== undefined) return there
    const slot = this.#free.pop() ?? (this.#unused < this.slots ? this.#unused++ : this.#evict())
    this.#slotOf.set(key, slot)
    this.#keys[slot] = key
    this.#isInterior[slot] = false
    this.#leaves.add(slot)
    return slot
  }

  /**
   * Moves a page from the list of leaves to the list of interior pages, which stay longer in the
   * cache.
   */
  keepLonger(key: number): void {
    const slot = this.#slotOf.get(key)
    if (slot === undefined || this.#isInterior[slot]) return
    this.#leaves.remove(slot)
    this.#isInterior[slot] = true
    this.#interior.add(slot)
  }

  /** Frees the slot of a page that could not be read into the slot. */
  drop(key: number): void {
    const slot = this.#slotOf.get(key)
    if (slot === undefined) return
    this.#remove(key, slot)
    this.#free.push(slot)
  }

  /**
   * Evicts the pages of unreferenced files, because new files are about to get the ordinals of
   * these files.
   */
  dropFiles(files: ReadonlySet<number>): void {
    for (const key of [...this.#slotOf.keys()]) if (files.has(Math.floor(key / 2 ** 32))) this.drop(key)
  }

  /** Changes the keys of resident pages. If `rename` returns undefined, the page keeps its key. */
  rekey(rename: (file: number, pgno: number) => number | undefined): void {
    for (const [key, slot] of [...this.#slotOf]) {
      const other = rename(Math.floor(key / 2 ** 32), key % 2 ** 32)
      if (other === undefined || other === key || this.has(other)) continue
      this.#slotOf.delete(key)
      this.#slotOf.set(other, slot)
      this.#keys[slot] = other
    }
  }

  #evict(): number {
    const crowded = this.#interior.size > this.slots / 2 || this.#leaves.size === 0
    const list = crowded ? this.#interior : this.#leaves
    // A page that native code read after the last check becomes the most recently used page. After
    // at most 64 such pages, a page is evicted in any case. Without the limit of 64 pages, a cache
    // whose pages are all read frequently could not evict a page.
    for (let chances = 64; ; ) {
      const slot = list.oldest!
      const key = this.#keys[slot]!
      if (!this.#filling.has(key) && (chances-- <= 0 || !native.touched(this.cache, slot))) {
        this.#remove(key, slot)
        return slot
      }
      list.touch(slot)
    }
  }

  #listOf(slot: number): SlotList {
    return this.#isInterior[slot] ? this.#interior : this.#leaves
  }

  #remove(key: number, slot: number): void {
    this.#listOf(slot).remove(slot)
    this.#slotOf.delete(key)
  }
}
