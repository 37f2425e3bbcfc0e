/** Functions of the addon that write pages to a database file on threads of libuv's pool. */
export interface PageWriterNative {
  /**
   * Writes the pages whose entry in `wanted` is not 0. Resolves with 0 or an errno. Until the
   * promise resolves, the file must stay open and the caller must not change the arrays.
   */
  writePages(fd: number, pageSize: number, pgnos: Uint32Array, pages: Uint8Array, wanted: Uint8Array): Promise<number>

  /**
   * Decodes consecutive page frames, and writes the pages whose entry in `wanted` is not 0. The
   * caller passes the page numbers and frame sizes from the page index. `pages` needs room for at
   * least two pages. Stores in `result` the CRC of the frames, as the file checksum uses it, and
   * the number of bytes that the CRC covers.
   *
   * `ranges` contains the offset and the size of two ranges of the database file. After it has
   * written the pages, the function asks the kernel to start to write the first range to disk. An
   * earlier call wrote the second range. The function waits until the second range is on disk, and
   * removes this range from the kernel's page cache. A range of size 0 is ignored. `ranges` has an
   * effect only on Linux.
   *
   * Resolves with 0, with an errno, or with -1 if the frames are damaged or do not match the page
   * index. Until the promise resolves, the file must stay open and the caller must not change the
   * arrays.
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
