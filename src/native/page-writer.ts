/** The addon's functions for writing pages of a database file, on the threads of libuv's pool. */
export interface PageWriterNative {
  /**
   * Writes the pages whose entry in `wanted` is not 0, on another thread. Resolves to 0 or an
   * errno; until then the file must stay open and the arrays must not change.
   */
  writePages(fd: number, pageSize: number, pgnos: Uint32Array, pages: Uint8Array, wanted: Uint8Array): Promise<number>

  /**
   * Decodes consecutive page frames, whose page numbers and sizes the page index has, writes the
   * pages whose entry in `wanted` is not 0, and sets `result` to [CRC of the frames as the file
   * checksum sums them, number of bytes summed]. `pages`: room for two pages or more. `ranges`:
   * position and size of a range of the database file that the disk is asked to write then, and of
   * a range asked for before, which is dropped from the page cache when it is on the disk; a size
   * of 0: none. Other systems than Linux do neither.
   *
   * Resolves to 0, to an errno, or to -1 if the frames are damaged or others; until then the file
   * must stay open and the arrays must not change.
   */
  writeFrames(
    fd: number,
    pageSize: number,
    frames: Uint8Array,
    pgnos: Uint32Array,
    sizes: Uint32Array,
    wanted: Uint8Array,
    pages: Uint8Array,
    result: BigUint64Array,
    ranges: Float64Array,
  ): Promise<number>
}
