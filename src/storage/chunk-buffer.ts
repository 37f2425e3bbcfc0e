/**
 * A buffer that copies the bytes of pushed chunks, and returns the bytes in pieces of a requested
 * size. The owner of a chunk may reuse the memory of the chunk immediately after `push`.
 */
export class ChunkBuffer {
  #bytes: Uint8Array = new Uint8Array(0)
  #size = 0

  /** Number of bytes in the buffer. */
  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    this.#reserve(this.#size + chunk.byteLength)
    this.#bytes.set(chunk, this.#size)
    this.#size += chunk.byteLength
  }

  /** Removes the first `size` bytes from the buffer and returns these bytes. */
  take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(0, size)
    const rest = this.#bytes.subarray(size, this.#size)
    // The caller owns the memory of the returned bytes, so the remaining bytes move to new memory.
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
