/** The addon's functions for LTX frames and checksums: whole batches of pages per call. */
export interface LtxCodecNative {
  /**
   * Continues a CRC-64/GO-ISO; 0n starts one. Calls can be chained. `portable`: without special
   * instructions, for tests.
   */
  crc64(crc: bigint, data: Uint8Array, portable?: boolean): bigint

  /** The CRC of a followed by b, from both CRCs and the length of b in bytes. */
  combineCrc64(a: bigint, b: bigint, length: number): bigint

  /**
   * Compresses `pgnos.length` pages, concatenated in `pages`, into consecutive frames in `out`, and
   * stores their sizes in `sizes`. `out` must have `maxFrameSize(pageSize)` bytes per page. Updates
   * the file's running CRC in `state[0]`. Returns the number of bytes written.
   */
  encodeFrames(
    state: BigUint64Array,
    pageSize: number,
    pgnos: Uint32Array,
    pages: Uint8Array,
    out: Uint8Array,
    sizes: Uint32Array,
  ): number

  /**
   * encodeFrames() on a thread of libuv's pool. The arrays must not change before the promise has
   * resolved.
   */
  encodeFramesLater(
    state: BigUint64Array,
    pageSize: number,
    pgnos: Uint32Array,
    pages: Uint8Array,
    out: Uint8Array,
    sizes: Uint32Array,
  ): Promise<number>

  /**
   * Decodes whole frames from `input` until it ends, `pgnos` is full, or the next frame is the end
   * marker or bad. Updates `state[0]` as in encoding; with `sumPages`, xors the page checksums into
   * `state[1]`. Sets `result` to [frames decoded, bytes consumed]. Returns one of `constants.decode`, or a fault.
   */
  decodeFrames(
    state: BigUint64Array,
    pageSize: number,
    input: Uint8Array,
    pgnos: Uint32Array,
    sizes: Uint32Array,
    pages: Uint8Array,
    sumPages: boolean,
    result: Float64Array,
  ): number

  /**
   * The xor of the checksums of the given pages. A database checksum is the xor over all its pages,
   * with bit 63 set.
   */
  sumPages(pageSize: number, pgnos: Uint32Array, pages: Uint8Array): bigint
}
