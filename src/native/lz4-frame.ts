/** The addon's part in reading LZ4 frames. */
export interface Lz4FrameNative {
  /** Decodes a block to out[offset…]; what it may refer to lies to the left of that. Returns its size, or -1 when it is damaged. */
  lz4Block(src: Uint8Array, out: Uint8Array, offset: number): number
  /** Without data: begins `state` (64 bytes); with data: takes it in. Returns the xxHash32 so far. */
  xxh32(state: Uint8Array, data?: Uint8Array): number
}

export const XXH32_STATE_SIZE = 64
