interface Entry<K, V> {
  readonly key: K
  readonly value: V
  readonly size: number
  older: Entry<K, V> | undefined
  newer: Entry<K, V> | undefined
}

/**
 * A map whose entries have a total size of at most `max`. Without room, `set` removes the least
 * recently used entries. By default, every entry has the size 1. The order is a linked list: a Map
 * whose entries are moved to its end takes longer for every entry that was moved.
 */
export class RecentMap<K, V> {
  readonly #max: number
  readonly #sizeOf: (value: V) => number
  readonly #entries = new Map<K, Entry<K, V>>()
  #oldest: Entry<K, V> | undefined
  #newest: Entry<K, V> | undefined
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
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#append(entry)
    }
    return entry.value
  }

  set(key: K, value: V): void {
    const known = this.#entries.get(key)
    if (known !== undefined) this.#remove(known)
    const entry = { key, value, size: this.#sizeOf(value), older: undefined, newer: undefined }
    this.#entries.set(key, entry)
    this.#append(entry)
    this.#size += entry.size
    while (this.#size > this.#max) this.#remove(this.#oldest!)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = undefined
    this.#newest = undefined
    this.#size = 0
  }

  /** Yields the values, beginning with the least recently used entry. */
  *values(): Generator<V> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) yield entry.value
  }

  #remove(entry: Entry<K, V>): void {
    this.#entries.delete(entry.key)
    this.#unlink(entry)
    this.#size -= entry.size
  }

  #unlink({ older, newer }: Entry<K, V>): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }

  #append(entry: Entry<K, V>): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }
}
