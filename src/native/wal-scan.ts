/** Functions of the addon for WAL frames. Each call handles a whole buffer of frames. */
export interface WalScanNative {
  /**
   * Continues SQLite's WAL checksum over `data`, whose length must be a multiple of 8. `sum`
   * contains the two words of the checksum.
   */
  walChecksum(bigEndian: boolean, data: Uint8Array, sum: Uint32Array): void

  /**
   * Checks consecutive WAL frames. Stops at a frame with other salts, and at a frame whose checksum
   * does not continue `sum`. Checks at most `pgnos.length` frames. For each valid frame, stores the
   * page number, and the database size in pages after the transaction. The database size is 0 for a
   * frame that does not end a transaction. Updates `sum`. Returns the number of valid frames.
   */
  scanFrames(
    frames: Uint8Array,
    pageSize: number,
    bigEndian: boolean,
    salt1: number,
    salt2: number,
    sum: Uint32Array,
    pgnos: Uint32Array,
    commits: Uint32Array,
  ): number

  /**
   * Finds the last frame of each page among the first `count` frames. Ignores the lock page, and
   * pages with numbers above `commit`. Stores the page numbers in ascending order in `outPgnos`,
   * and the index of each frame in `outFrames`. Returns the number of pages.
   */
  newestFrames(
    pgnos: Uint32Array,
    count: number,
    commit: number,
    lockPgno: number,
    outPgnos: Uint32Array,
    outFrames: Uint32Array,
  ): number

  /**
   * Reads `size` bytes at each offset, and stores them in `out` in the same order. Returns the
   * number of complete reads, or a negative errno.
   */
  readPieces(fd: number, offsets: Float64Array, size: number, out: Uint8Array): number
}
