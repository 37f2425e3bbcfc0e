/**
 * Minimum number of bytes of a new chunk that are copied to the end of the unread bytes. Most
 * frames are shorter than BRIDGE.
 */
const BRIDGE = 16 * 1024

/**
 * Reads a stream of chunks and keeps the unread bytes contiguous in memory. The owner of a chunk
 * may overwrite the chunk after the reader has requested the next chunk. If a frame continues in
 * the next chunk, the reader copies the beginning of the next chunk behind the unread bytes. After
 * the copied bytes, the reader continues in the next chunk itself.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  /**
   * The unread bytes are `#buffer[#start..#end)`. `#buffer` is either a chunk of the stream or
   * `#own`.
   */
  #buffer: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** A buffer that belongs to the ByteReader itself. */
  #own: Uint8Array = this.#buffer
  /** The newest chunk, whose first `#copied` bytes are also at the end of `#own`. */
  #chunk: Uint8Array | undefined
  #copied = 0
  #done = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The unread bytes, which are valid until the next call of more(). */
  get available(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end)
  }

  take(size: number): void {
    this.#start += size
  }

  /** Reads more bytes of the stream. Returns false at the end of the stream. */
  async more(): Promise<boolean> {
    if (this.#chunk === undefined) {
      // The owner may overwrite the previous chunk as soon as the next chunk is requested.
      if (this.#end > this.#start) this.#makeRoom(BRIDGE)
      const chunk = await this.#next()
      if (chunk === undefined) return false
      this.#chunk = chunk
      this.#copied = 0
    }
    const chunk = this.#chunk
    const left = this.#end - this.#start
    if (left <= this.#copied) {
      // All unread bytes are now in the chunk.
      this.#buffer = chunk
      this.#start = this.#copied - left
      this.#end = chunk.length
      this.#chunk = undefined
      return true
    }
    // Each copy is at least as long as the unread bytes, so the total time of all copies is
    // proportional to the size of the stream.
    const part = chunk.subarray(this.#copied, this.#copied + Math.max(BRIDGE, left))
    this.#makeRoom(part.length)
    this.#own.set(part, this.#end)
    this.#end += part.length
    this.#copied += part.length
    if (this.#copied === chunk.length) this.#chunk = undefined
    return true
  }

  /** Returns the next chunk that is not empty. */
  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#done) {
      const next = await this.#source.next()
      if (next.done) this.#done = true
      else if (next.value.length > 0) return next.value
    }
    return undefined
  }

  /** Moves the unread bytes to `#own`, followed by at least `size` free bytes. */
  #makeRoom(size: number): void {
    const owned = this.#buffer === this.#own
    if (owned && this.#own.length - this.#end >= size) return
    const left = this.available
    if (this.#own.length < 2 * (left.length + size)) this.#own = new Uint8Array(2 * (left.length + size))
    this.#own.set(left)
    this.#buffer = this.#own
    this.#start = 0
    this.#end = left.length
  }

  /** Reads until at least `size` bytes are available. Returns false if the stream ends earlier. */
  async need(size: number): Promise<boolean> {
    while (this.#end - this.#start < size) if (!(await this.more())) return false
    return true
  }

  /**
   * Closes the stream before its end, and also the HTTP response or the file that the stream reads.
   */
  async cancel(): Promise<void> {
    this.#done = true
    await this.#source.return?.()
  }
}
