/**
 * Collects bytes of chunks, which the owner may reuse immediately, and returns them in pieces of a
 * requested size.
 */
export class ChunkBuffer {
  #bytes: Uint8Array = new Uint8Array(0)
  #size = 0

  /** Number of bytes held. */
  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    this.#reserve(this.#size + chunk.byteLength)
    this.#bytes.set(chunk, this.#size)
    this.#size += chunk.byteLength
  }

  /** Removes and returns the first `size` bytes. */
  take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(0, size)
    const rest = this.#bytes.subarray(size, this.#size)
    // The caller owns the returned bytes, so the rest is copied.
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
