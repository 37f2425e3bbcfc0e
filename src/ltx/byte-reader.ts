/** Bytes of a chunk that are copied at first to what is left of the one before: enough for most frames. */
const BRIDGE = 16 * 1024

/**
 * Pulls bytes from a stream of buffers of any sizes, keeping what has not been taken yet in one piece; a chunk need not stay as it is
 * once the next one is asked for. Where a chunk begins in the
 * middle of something, only its first part is copied to the end of what is left, and reading goes on in the chunk itself from there.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  /** What has been read but not taken is #buffer[#start..#end). Either a chunk of the stream, or #own. */
  #buffer: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** The buffer that may be written to. */
  #own: Uint8Array = this.#buffer
  /** A chunk of which the first #copied bytes stand at the end of #own, and the others are still to come. */
  #chunk: Uint8Array | undefined
  #copied = 0
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

  /** Adds some of the stream's next bytes to what is available; false at its end. */
  async more(): Promise<boolean> {
    if (this.#chunk === undefined) {
      // The chunk before may be another's again once the next one is asked for.
      if (this.#end > this.#start) this.#makeRoom(BRIDGE)
      const chunk = await this.#next()
      if (chunk === undefined) return false
      this.#chunk = chunk
      this.#copied = 0
    }
    const chunk = this.#chunk
    const left = this.#end - this.#start
    if (left <= this.#copied) {
      // All that is left lies in the chunk.
      this.#buffer = chunk
      this.#start = this.#copied - left
      this.#end = chunk.length
      this.#chunk = undefined
      return true
    }
    // At least as much as is there already, so that copying stays linear.
    const part = chunk.subarray(this.#copied, this.#copied + Math.max(BRIDGE, left))
    this.#makeRoom(part.length)
    this.#own.set(part, this.#end)
    this.#end += part.length
    this.#copied += part.length
    if (this.#copied === chunk.length) this.#chunk = undefined
    return true
  }

  /** The stream's next buffer that is not empty. */
  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#done) {
      const next = await this.#source.next()
      if (next.done) this.#done = true
      else if (next.value.length > 0) return next.value
    }
    return undefined
  }

  /** Sees to it that what is available lies in #own, with `size` bytes free after it. */
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
