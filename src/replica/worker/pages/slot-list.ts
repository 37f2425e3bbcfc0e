/** Marks the end of a list. */
const NONE = -1

/**
 * The links of all slots of a cache. Each slot is in at most one list, so the lists share the links.
 * The arrays grow with the highest used slot.
 */
export class SlotLinks {
  readonly older: number[] = []
  readonly newer: number[] = []
}

/** A list of slots in the order of their last use. Every operation takes constant time. */
export class SlotList {
  readonly #older: number[]
  readonly #newer: number[]
  #oldest = NONE
  #newest = NONE
  #size = 0

  constructor({ older, newer }: SlotLinks) {
    this.#older = older
    this.#newer = newer
  }

  get size(): number {
    return this.#size
  }

  /** The least recently used slot. The value is undefined if the list is empty. */
  get oldest(): number | undefined {
    return this.#oldest === NONE ? undefined : this.#oldest
  }

  /** Adds a slot that is in no list, as the most recently used slot. */
  add(slot: number): void {
    this.#older[slot] = this.#newest
    this.#newer[slot] = NONE
    if (this.#newest === NONE) this.#oldest = slot
    else this.#newer[this.#newest] = slot
    this.#newest = slot
    this.#size++
  }

  /** Removes a slot of this list. */
  remove(slot: number): void {
    const [older, newer] = [this.#older[slot]!, this.#newer[slot]!]
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
    this.#size--
  }

  /** Makes a slot of this list the most recently used slot. */
  touch(slot: number): void {
    if (slot === this.#newest) return
    this.remove(slot)
    this.add(slot)
  }
}
