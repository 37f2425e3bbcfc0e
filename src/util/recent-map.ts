/** A map with at most `max` entries. Without room, `set` removes the least recently used entry. */
export class RecentMap<K, V> {
  readonly #max: number
  /** The entries in the order of their last use. */
  readonly #entries = new Map<K, V>()

  constructor(max: number) {
    this.#max = max
  }

  /** Returns the value of a key, and counts as a use of the entry. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value as K)
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }
}
