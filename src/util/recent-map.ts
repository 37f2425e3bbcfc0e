/**
 * A map whose entries have a total size of at most `max`. Without room, `set` removes the least
 * recently used entries. By default, every entry has the size 1.
 */
export class RecentMap<K, V> {
  readonly #max: number
  readonly #sizeOf: (value: V) => number
  /** The entries in the order of their last use. */
  readonly #entries = new Map<K, V>()
  #size = 0

  constructor(max: number, sizeOf: (value: V) => number = () => 1) {
    this.#max = max
    this.#sizeOf = sizeOf
  }

  /** The total size of the entries. */
  get size(): number {
    return this.#size
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  /** Returns the value of a key, and counts as a use of the entry. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: K, value: V): void {
    this.#delete(key)
    this.#entries.set(key, value)
    this.#size += this.#sizeOf(value)
    while (this.#size > this.#max) this.#delete(this.#entries.keys().next().value as K)
  }

  clear(): void {
    this.#entries.clear()
    this.#size = 0
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }

  #delete(key: K): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#size -= this.#sizeOf(value)
  }
}
