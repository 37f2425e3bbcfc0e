/**
 * Functions of the addon for LTX frames and checksums. Each call handles a whole batch of pages.
 */
export interface LtxCodecNative {
  /**
   * Continues a CRC-64/GO-ISO over `data`. The CRC of no bytes is 0n. With `portable` (for tests),
   * uses no special processor instructions.
   */
  crc64(crc: bigint, data: Uint8Array, portable?: boolean): bigint

  /**
   * Computes the CRC of two consecutive byte ranges from the CRC of each range and the length of
   * the second range in bytes.
   */
  combineCrc64(a: bigint, b: bigint, length: number): bigint

  /**
   * Compresses `pgnos.length` pages to consecutive frames in `out`. `pages` contains the contents
   * of the pages, one after another. Stores the size of each frame in `sizes`. `out` must have
   * `maxFrameSize(pageSize)` bytes per page. Updates the CRC of the file in `state[0]`. Returns the
   * number of bytes written.
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
   * Does the same as encodeFrames() on a thread of libuv's pool. The caller must not change the
   * arrays before the promise resolves.
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
   * Decodes whole frames from `input`. Stops at the end of `input`, at the end marker, at a damaged
   * frame, and when `pgnos` is full. Updates the CRC in `state[0]` as encodeFrames does. With
   * `sumPages`, also updates the xor of the page checksums in `state[1]`. Stores the number of
   * decoded frames and the number of consumed bytes in `result`. Returns one of `constants.decode`,
   * or a fault.
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
   * Returns the xor of the checksums of the given pages. The database checksum is the xor of the
   * checksums of all pages of the database, with bit 63 set.
   */
  sumPages(pageSize: number, pgnos: Uint32Array, pages: Uint8Array): bigint
}
