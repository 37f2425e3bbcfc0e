/** Collects the bytes of chunks, each of which may be used again by its owner at once, and hands them out in pieces of a wanted size. */
export class ChunkBuffer {
  #bytes: Uint8Array = new Uint8Array(0)
  #size = 0

  /** Bytes held. */
  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    this.#reserve(this.#size + chunk.byteLength)
    this.#bytes.set(chunk, this.#size)
    this.#size += chunk.byteLength
  }

  /** The first `size` bytes, which it no longer holds then. */
  take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(0, size)
    const rest = this.#bytes.subarray(size, this.#size)
    // What was taken is the caller's: the rest moves to a place of its own.
    this.#bytes = new Uint8Array(0)
    this.#size = 0
    this.push(rest)
    return taken
  }

  #reserve(size: number): void {
    if (this.#bytes.byteLength >= size) return
    const roomier = new Uint8Array(Math.max(size, 2 * this.#bytes.byteLength))
    roomier.set(this.#bytes.subarray(0, this.#size))
    this.#bytes = roomier
  }
}
