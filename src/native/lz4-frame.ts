/** Functions of the addon for LZ4 frames. */
export interface Lz4FrameNative {
  /**
   * Decodes an LZ4 block to `out` from `offset` on. The block may refer to bytes of `out` before
   * `offset`. Returns the size of the decoded block in bytes, or -1 if the block is damaged.
   */
  lz4Block(src: Uint8Array, out: Uint8Array, offset: number): number
  /**
   * If `data` is undefined, initializes `state` (64 bytes). If `data` is defined, adds `data` to
   * the hash. Returns the xxHash32 of all added data.
   */
  xxh32(state: Uint8Array, data?: Uint8Array): number
}

export const XXH32_STATE_SIZE = 64
