/**
 * Bytes of a new chunk that are first copied to the unread rest of the previous one: enough for
 * most frames.
 */
const BRIDGE = 16 * 1024

/**
 * Reads a stream of buffers of any sizes and keeps the bytes not taken yet in one piece. A chunk
 * may be reused by its owner once the next one is requested. If a chunk begins in the middle of a
 * frame, only its first part is copied to the unread rest; from there the reader continues in the
 * chunk itself.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  /** The bytes read but not taken: #buffer[#start..#end). Either a chunk of the stream, or #own. */
  #buffer: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** The buffer owned by the reader, which it may write to. */
  #own: Uint8Array = this.#buffer
  /** A chunk whose first #copied bytes are at the end of #own; the other bytes follow. */
  #chunk: Uint8Array | undefined
  #copied = 0
  #done = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The available bytes; valid until the next call of more(). */
  get available(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end)
  }

  take(size: number): void {
    this.#start += size
  }

  /** Adds bytes of the stream to the available ones; false at the end of the stream. */
  async more(): Promise<boolean> {
    if (this.#chunk === undefined) {
      // The owner may reuse the previous chunk once the next one is requested.
      if (this.#end > this.#start) this.#makeRoom(BRIDGE)
      const chunk = await this.#next()
      if (chunk === undefined) return false
      this.#chunk = chunk
      this.#copied = 0
    }
    const chunk = this.#chunk
    const left = this.#end - this.#start
    if (left <= this.#copied) {
      // All available bytes are inside the chunk.
      this.#buffer = chunk
      this.#start = this.#copied - left
      this.#end = chunk.length
      this.#chunk = undefined
      return true
    }
    // Copies at least as many bytes as are available already, so that the total copying stays
    // linear.
    const part = chunk.subarray(this.#copied, this.#copied + Math.max(BRIDGE, left))
    this.#makeRoom(part.length)
    this.#own.set(part, this.#end)
    this.#end += part.length
    this.#copied += part.length
    if (this.#copied === chunk.length) this.#chunk = undefined
    return true
  }

  /** The stream's next non-empty buffer. */
  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#done) {
      const next = await this.#source.next()
      if (next.done) this.#done = true
      else if (next.value.length > 0) return next.value
    }
    return undefined
  }

  /** Moves the available bytes into #own, with `size` free bytes after them. */
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

  /** Reads until `size` bytes are available; false if the stream ends before. */
  async need(size: number): Promise<boolean> {
    while (this.#end - this.#start < size) if (!(await this.more())) return false
    return true
  }

  /** Ends reading early: closes the HTTP body or file handle behind the stream. */
  async cancel(): Promise<void> {
    this.#done = true
    await this.#source.return?.()
  }
}
