/** Pulls bytes from a stream of buffers of any sizes, keeping what has not been taken yet in one piece. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  /** What has been read but not taken is #buffer[#start..#end). */
  #buffer: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** Whether #buffer is ours to write to; else it came from the stream. */
  #owned = false
  #done = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** What is at hand; valid until the next call of more(). */
  get available(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end)
  }

  take(size: number): void {
    this.#start += size
  }

  /** Adds the stream's next buffer to what is available; false at its end. */
  async more(): Promise<boolean> {
    if (this.#done) return false
    let chunk: Uint8Array
    do {
      const next = await this.#source.next()
      if (next.done) {
        this.#done = true
        return false
      }
      chunk = next.value
    } while (chunk.length === 0)
    if (this.#start === this.#end) {
      // Nothing left over: read from the stream's own buffer, without copying.
      this.#buffer = chunk
      this.#start = 0
      this.#end = chunk.length
      this.#owned = false
      return true
    }
    this.#makeRoom(chunk.length)
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
    return true
  }

  /** Sees to it that the buffer is our own and has `size` bytes free at its end; doubling, so that copying stays linear. */
  #makeRoom(size: number): void {
    if (this.#owned && this.#buffer.length - this.#end >= size) return
    const rest = this.#end - this.#start
    if (this.#owned && this.#buffer.length >= 2 * (rest + size)) {
      this.#buffer.copyWithin(0, this.#start, this.#end)
    } else {
      const roomier = new Uint8Array(2 * (rest + size))
      roomier.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = roomier
      this.#owned = true
    }
    this.#start = 0
    this.#end = rest
  }

  /** Reads on until `size` bytes are available; false when the stream ends before. */
  async need(size: number): Promise<boolean> {
    while (this.#end - this.#start < size) if (!(await this.more())) return false
    return true
  }

  /** Lets go of the stream early: an HTTP body or a file handle behind it is closed. */
  async cancel(): Promise<void> {
    this.#done = true
    await this.#source.return?.()
  }
}
