/** The addon's LTX part: whole batches of pages a call. */
export interface LtxCodecNative {
  /** Continues a CRC-64/GO-ISO; 0n starts one. Updates chain. `portable`: without special instructions, for tests. */
  crc64(crc: bigint, data: Uint8Array, portable?: boolean): bigint

  /** The CRC of a followed by b, whose length in bytes is given, from the CRCs of the two. */
  combineCrc64(a: bigint, b: bigint, length: number): bigint

  /**
   * Compresses `pgnos.length` pages, which stand one after another in `pages`, into frames one after another in `out`, and
   * their sizes into `sizes`. `out` must have room for `maxFrameSize(pageSize)` bytes a page. `state[0]`, the file's running
   * CRC, is advanced. Returns the bytes written.
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
   * Decodes whole frames from `input` until it ends, `pgnos` is full, the end marker is met, or a frame is bad. `state[0]` is
   * advanced as in encoding; with `sumPages` the page checksums are xor-ed into `state[1]`. `result` is set to
   * [frames decoded, bytes consumed]. Returns a DECODE_* code.
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

  /** The xor of the page checksums of the pages given. A database checksum is that of all its pages, bit 63 set. */
  sumPages(pageSize: number, pgnos: Uint32Array, pages: Uint8Array): bigint
}

/** Everything decoded so far was good; the input ended in the middle of a frame, or the output is full. */
export const DECODE_MORE = 0
/** The 6 zero bytes that end the page block come next; they are not consumed. */
export const DECODE_END = 1

/** What is wrong with the frame at the first byte not consumed, by the other codes that decodeFrames returns. */
export const FRAME_FAULTS: Readonly<Record<number, string>> = {
  3: 'bad page header',
  4: 'the page does not decompress to one page',
}
