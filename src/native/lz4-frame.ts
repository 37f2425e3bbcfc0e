/** The addon's functions for LZ4 frames. */
export interface Lz4FrameNative {
  /**
   * Decodes a block to out[offset…]; the bytes that it may refer to are before that. Returns the
   * size of the decoded block, or -1 if the block is damaged.
   */
  lz4Block(src: Uint8Array, out: Uint8Array, offset: number): number
  /**
   * Without data: initializes `state` (64 bytes); with data: adds it. Returns the xxHash32 so far.
   */
  xxh32(state: Uint8Array, data?: Uint8Array): number
}

export const XXH32_STATE_SIZE = 64
