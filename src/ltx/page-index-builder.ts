import type { PageIndex } from './page-index.js'

/** Builds a PageIndex from the sizes of consecutive frames. Needs 16 bytes of memory per page. */
export class PageIndexBuilder {
  #count = 0
  #pgnos = new Uint32Array(64)
  #offsets = new Float64Array(64)
  #sizes = new Uint32Array(64)

  get count(): number {
    return this.#count
  }

  /**
   * Adds the first `count` frames of a batch. The first frame is at `offset`, and the frames are
   * contiguous. Returns the offset after the last frame.
   */
  append(pgnos: Uint32Array, sizes: Uint32Array, count: number, offset: number): number {
    this.#reserve(this.#count + count)
    let at = offset
    for (let i = 0, to = this.#count; i < count; i++, to++) {
      this.#pgnos[to] = pgnos[i]!
      this.#offsets[to] = at
      this.#sizes[to] = sizes[i]!
      at += sizes[i]!
    }
    this.#count += count
    return at
  }

  /**
   * Returns the page index of all added frames. The arrays of the result are views of the builder's
   * memory.
   */
  build(): PageIndex {
    return {
      count: this.#count,
      pgnos: this.#pgnos.subarray(0, this.#count),
      offsets: this.#offsets.subarray(0, this.#count),
      sizes: this.#sizes.subarray(0, this.#count),
    }
  }

  #reserve(count: number): void {
    if (count <= this.#pgnos.length) return
    const capacity = Math.max(count, this.#pgnos.length * 2)
    const grow = <T extends Uint32Array | Float64Array>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.#pgnos = grow(new Uint32Array(capacity), this.#pgnos)
    this.#offsets = grow(new Float64Array(capacity), this.#offsets)
    this.#sizes = grow(new Uint32Array(capacity), this.#sizes)
  }
}
