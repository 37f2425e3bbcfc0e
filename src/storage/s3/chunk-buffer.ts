/** Collects chunks and hands out their bytes in pieces of a wanted size. */
export class ChunkBuffer {
  #chunks: Uint8Array[] = []
  #size = 0

  /** Bytes held. */
  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#chunks.push(chunk)
    this.#size += chunk.byteLength
  }

  /** The first `size` bytes, which it no longer holds then. */
  take(size: number): Uint8Array {
    const taken = new Uint8Array(size)
    let at = 0
    while (at < size) {
      const chunk = this.#chunks[0]!
      const part = chunk.subarray(0, size - at)
      taken.set(part, at)
      at += part.byteLength
      if (part.byteLength === chunk.byteLength) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(part.byteLength)
    }
    this.#size -= size
    return taken
  }
}
